((name) => {
  // What the blocks of a page share, under that name. It sees their calls through: `visit(calls)` takes
  // a function that makes them on `this`, and gives one that is handed mixpanel-js once it is there.
  //   A page that is prerendered makes them when it is shown.
  //   Who leaves before mixpanel-js is there takes them along: the next page makes them first.
  // That may be a page that the browser kept, and shows again as it was.
  //   Who leaves before mixpanel-js has surely stored an event (half a second) or sent it (ten) has it
  //   sent once more; it is counted once.
  //   A page that comes from a cache (by the back button, in a second tab, for somebody who signed in
  // since) has the ID of a page view whose calls ran. They do not run again; mixpanel-js loads.
  const page = (window[name] = window[name] || {});
  if (page.visit) return page;
  const key = name + "_left";
  // The name of the setup that ran in this visit.
  const setup = name + "_setup";
  // IDs of the last page views whose calls ran, in the order of running.
  const views = name + "_views";
  const MOST = 100;
  // A page's own script may have replaced it by anything.
  const on = (event, listener) => attempt(() => addEventListener(event, listener));
  const store = () => sessionStorage;
  let waiting = [];
  let made = [];
  let again = false;
  // By page view: true if its calls run in this document. By block: true once they ran.
  const runs = {};
  const done = {};

  const attempt = (something) => {
    try {
      return something();
    } catch (e) {}
  };
  // True if the document comes from the browser's cache, which Chromium tells since version 109. Only
  // the first page view is the document's: a script may insert blocks of other pages later.
  let cached = attempt(() => (
    document.readyState === "loading" && performance.getEntriesByType("navigation")[0].deliveryType === "cache"
  ));
  // Remembers a page view, and returns false if its calls ran before. An ID older than the list may have
  // been forgotten by the list or by `clear()`. The document's origin decides about such an ID.
  const remember = (store, id) => {
    const list = (store.getItem(views) || "").split(" ").filter(Boolean);
    if (list.indexOf(id) >= 0 || (cached && !(id > list[0]))) return false;
    store.setItem(views, list.concat(id).slice(-MOST).join(" "));
    return true;
  };
  // Returns whether the calls of a block are to run. To be asked at the moment when they would.
  const isFirst = (block) => {
    const id = block[1];
    if (!id) return true;
    if (runs[id] === undefined) {
      runs[id] = attempt(() => remember(localStorage, id));
      if (runs[id] === undefined) runs[id] = attempt(() => remember(store(), id));
      // The browser refuses both.
      if (runs[id] === undefined) runs[id] = !cached;
      cached = false;
    }
    return runs[id] && !done[block.slice(1)];
  };
  const finish = (block) => (done[block.slice(1)] = true);
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
    if (document.prerendering === true) return;
    attempt(() => {
      const leaving = waiting.filter(isFirst);
      if (!leaving.length) return;
      store().setItem(key, JSON.stringify(leaving.reduce((list, block) => list.concat(noted(block[0])), left())));
      leaving.forEach(finish);
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

  // A setup counts as known only while mixpanel-js still has the device that it ran for: `reset` and an
  // opt-out drop what `register` and `set_group` stored, and the device with it.
  const device = () => attempt(() => page.instance.get_property("$device_id"));
  const mark = (ran) => ran + " " + device();
  page.knows = (ran) => attempt(() => device() !== undefined && store().getItem(setup) === mark(ran));
  // Without a name, none did.
  page.ran = (ran) => {
    page.setup = ran;
    attempt(() => ran ? store().setItem(setup, mark(ran)) : forget(setup));
  };
  // `id`: of the page view. `late`: in the second block of a streamed page.
  page.visit = (calls, id, late) => {
    const block = [calls, id, late];
    waiting.push(block);
    return (mixpanel) => {
      const go = () => {
        page.instance = mixpanel;
        resume(mixpanel);
        const place = waiting.indexOf(block);
        if (place < 0) return;
        waiting.splice(place, 1);
        if (!isFirst(block)) return;
        finish(block);
        run(mixpanel, calls);
      };
      if (document.prerendering === true) document.addEventListener("prerenderingchange", go);
      else go();
    };
  };
  return page;
})
