((name) => {
  // What the blocks of a page share, under that name. It sees their calls through: `visit(calls)` takes
  // a function that makes them on `this`, and gives one that is handed mixpanel-js once it is there.
  //   A page that is prerendered makes them when it is shown.
  //   Who leaves before mixpanel-js is there takes them along: the next page makes them first.
  // That may be a page that the browser kept, and shows again as it was.
  //   Who leaves before mixpanel-js has surely stored an event (half a second) or sent it (ten) has it
  //   sent once more; it is counted once.
  const page = (window[name] = window[name] || {});
  if (page.visit) return page;
  const key = name + "_left";
  // The name of the setup that ran in this visit.
  const setup = name + "_setup";
  const on = addEventListener;
  const store = () => sessionStorage;
  let waiting = [];
  let made = [];
  let again = false;

  const attempt = (something) => {
    try {
      return something();
    } catch (e) {}
  };
  const forget = (key) => store().removeItem(key);
  const left = () => attempt(() => JSON.parse(store().getItem(key))) || [];
  // What a function would call, as [method path, arguments] each.
  const noted = (calls) => {
    const list = [];
    const at = (path, first) => new Proxy(() => {}, {
      get: (_, name) => at(path.concat(name), first),
      apply(_, __, args) {
        args = first.concat(args);
        if (path.length === 1 && path[0] === "get_group") return at(path, args);
        list.push([path, args]);
      }
    });
    calls.call(at([], []));
    return list;
  };
  const make = (mixpanel, [path, args]) => {
    let target = mixpanel;
    if (path[0] === "people") target = mixpanel.people;
    if (path[0] === "get_group") target = mixpanel.get_group(args.shift(), args.shift());
    target[path.pop()](...args);
  };
  // Makes the calls, and remembers the events that come of them.
  const run = (mixpanel, calls) => {
    const patched = {}.hasOwnProperty.call(mixpanel, "track");
    const track = mixpanel.track;
    mixpanel.track = function (...args) {
      const event = track.apply(this, args);
      if (event && event.properties) made.push([Date.now(), mixpanel, event]);
      return event;
    };
    attempt(() => calls.call(mixpanel));
    if (patched) mixpanel.track = track;
    else delete mixpanel.track;
  };
  // Makes the calls of a page that was left before it could.
  const resume = (mixpanel) => {
    const before = left();
    if (before.length) attempt(() => {
      forget(key);
      run(mixpanel, () => before.forEach((call) => attempt(() => make(mixpanel, call))));
    });
  };
  on("pagehide", () => {
    if (document.prerendering) return;
    attempt(() => {
      if (!waiting.length) return;
      store().setItem(key, JSON.stringify(waiting.reduce((list, calls) => list.concat(noted(calls)), left())));
      waiting = [];
    });
    for (const [at, by, event] of made) {
      const age = Date.now() - at;
      attempt(() => {
        const sent = event.properties;
        if (age > 1e4 || sent.$user_id !== by.get_property("$user_id")) return;
        by.track(event.event, sent, { transport: "sendBeacon", send_immediately: true });
      });
      // A profile that may not have been stored either is written anew by the next page.
      if (age < 500) attempt(() => forget(setup));
    }
    made = [];
  });
  on("pageshow", (event) => {
    again = event.persisted;
    if (again && page.instance) resume(page.instance);
  });
  // A page that is shown again may be shown before the other one is told that it is left.
  on("storage", (event) => {
    if (again && event.key === key && event.newValue && page.instance) resume(page.instance);
  });

  page.knows = (ran) => attempt(() => store().getItem(setup) === ran);
  // Without a name, none did.
  page.ran = (ran) => {
    page.setup = ran;
    attempt(() => ran ? store().setItem(setup, ran) : forget(setup));
  };
  page.visit = (calls) => {
    waiting.push(calls);
    return (mixpanel) => {
      const go = () => {
        page.instance = mixpanel;
        resume(mixpanel);
        const place = waiting.indexOf(calls);
        if (place >= 0) run(mixpanel, waiting.splice(place, 1)[0]);
      };
      if (document.prerendering) document.addEventListener("prerenderingchange", go);
      else go();
    };
  };
  return page;
})
