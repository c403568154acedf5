((name) => {
  // State that the snippets of a page share, at `window[name]`. `visit(calls)` takes a function that makes
  // its calls on `this`. It returns a function that expects mixpanel-js, once mixpanel-js has loaded.
  //   Prerendered page: the calls run when the page is shown.
  //   Visitor leaves before mixpanel-js has loaded: the calls are stored, and the next page runs them first.
  // The next page may be one that the browser restores from its back-forward cache.
  //   Visitor leaves before mixpanel-js has surely stored an event (0.5 seconds) or sent it (10 seconds): the
  // event is sent again. Mixpanel counts both copies once.
  //   Page from the HTTP cache (back button, second tab, another user): its page view ID is known, so its
  // calls do not run again. mixpanel-js still loads.
  const page = (window[name] = window[name] || {});
  if (page.visit) return page;
  const pendingKey = name + "_left";
  // Key of the setup that ran in this browser session.
  const setupKey = name + "_setup";
  // Key of the IDs of the latest page views whose calls ran, in the order of running.
  const viewsKey = name + "_views";
  const MAX_VIEWS = 100;
  // The page's scripts may have replaced `addEventListener` by anything.
  const listen = (event, listener) => attempt(() => addEventListener(event, listener));
  const session = () => sessionStorage;
  // Blocks of calls that wait for mixpanel-js.
  let waiting = [];
  // Events that were tracked, as [time, mixpanel, event].
  let tracked = [];
  // True if the browser restored the page from its back-forward cache.
  let restored = false;
  // By page view ID: true if its calls run in this document. By block: true once its calls ran.
  const runs = {};
  const done = {};

  const attempt = (action) => {
    try {
      return action();
    } catch (e) {}
  };
  // True if the document came from the browser's HTTP cache, which Chromium reports since version 109. Only
  // the first page view belongs to the document: scripts may insert snippets of other pages later.
  let cached = attempt(() => (
    document.readyState === "loading" && performance.getEntriesByType("navigation")[0].deliveryType === "cache"
  ));
  // Stores the ID of a page view, and returns false if its calls ran before. An ID older than the list may
  // have been dropped by the list's limit or by `clear()`. `cached` decides about such an ID.
  const remember = (storage, id) => {
    const list = (storage.getItem(viewsKey) || "").split(" ").filter(Boolean);
    if (list.indexOf(id) >= 0 || (cached && !(id > list[0]))) return false;
    storage.setItem(viewsKey, list.concat(id).slice(-MAX_VIEWS).join(" "));
    return true;
  };
  // Returns true if the calls of a block must run, and stores the page view. To be called right before they run.
  const isFirst = (block) => {
    const id = block[1];
    if (!id) return true;
    if (runs[id] === undefined) {
      runs[id] = attempt(() => remember(localStorage, id));
      if (runs[id] === undefined) runs[id] = attempt(() => remember(session(), id));
      // The browser denies access to both storages.
      if (runs[id] === undefined) runs[id] = !cached;
      cached = false;
    }
    return runs[id] && !done[block.slice(1)];
  };
  const finish = (block) => (done[block.slice(1)] = true);
  const remove = (key) => session().removeItem(key);
  // Calls that the previous page stored.
  const stored = () => attempt(() => JSON.parse(session().getItem(pendingKey))) || [];
  // Records the calls of a function without running them, as [method path, arguments].
  const record = (calls) => {
    const list = [];
    const proxy = (path, first) => new Proxy(() => {}, {
      get: (_, name) => proxy(path.concat(name), first),
      apply(_, __, args) {
        args = first.concat(args);
        if (path.length === 1 && path[0] === "get_group") return proxy(path, args);
        list.push([path, args]);
      }
    });
    calls.call(proxy([], []));
    return list;
  };
  const makeCall = (mixpanel, [path, args]) => {
    let target = mixpanel;
    if (path[0] === "people") target = mixpanel.people;
    if (path[0] === "get_group") target = mixpanel.get_group(args.shift(), args.shift());
    target[path.pop()](...args);
  };
  // Makes the calls, and stores the tracked events in `tracked`.
  const run = (mixpanel, calls) => {
    const hasOwnTrack = {}.hasOwnProperty.call(mixpanel, "track");
    const track = mixpanel.track;
    mixpanel.track = function (...args) {
      const event = track.apply(this, args);
      if (event && event.properties) tracked.push([Date.now(), mixpanel, event]);
      return event;
    };
    attempt(() => calls.call(mixpanel));
    if (hasOwnTrack) mixpanel.track = track;
    else delete mixpanel.track;
  };
  // Makes the calls that the previous page stored.
  const resume = (mixpanel) => {
    const calls = stored();
    if (calls.length) attempt(() => {
      remove(pendingKey);
      run(mixpanel, () => calls.forEach((call) => attempt(() => makeCall(mixpanel, call))));
    });
  };
  listen("pagehide", () => {
    if (document.prerendering === true) return;
    attempt(() => {
      const pending = waiting.filter(isFirst);
      if (!pending.length) return;
      session().setItem(pendingKey, JSON.stringify(pending.reduce((list, block) => list.concat(record(block[0])), stored())));
      pending.forEach(finish);
      waiting = [];
    });
    for (const [time, mixpanel, event] of tracked) {
      const age = Date.now() - time;
      attempt(() => {
        const properties = event.properties;
        if (age > 1e4 || properties.$user_id !== mixpanel.get_property("$user_id")) return;
        mixpanel.track(event.event, properties, { transport: "sendBeacon", send_immediately: true });
      });
      // mixpanel-js may not have stored profile updates either, so the next page runs the setup again.
      if (age < 500) attempt(() => remove(setupKey));
    }
    tracked = [];
  });
  listen("pageshow", (event) => {
    restored = event.persisted;
    if (restored && page.instance) resume(page.instance);
  });
  // A restored page may be shown before the other page receives `pagehide`.
  listen("storage", (event) => {
    if (restored && event.key === pendingKey && event.newValue && page.instance) resume(page.instance);
  });

  // A setup counts as known only while mixpanel-js keeps the device for which the setup ran. `reset` and
  // opt-out delete the device together with the data of `register` and `set_group`.
  const device = () => attempt(() => page.instance.get_property("$device_id"));
  const withDevice = (setup) => setup + " " + device();
  page.knows = (setup) => attempt(() => device() !== undefined && session().getItem(setupKey) === withDevice(setup));
  // Stores the setup that ran. An empty `setup` clears it.
  page.ran = (setup) => {
    page.setup = setup;
    attempt(() => setup ? session().setItem(setupKey, withDevice(setup)) : remove(setupKey));
  };
  // `id` is the page view's ID. `late` is true in the second snippet of a streamed page.
  page.visit = (calls, id, late) => {
    const block = [calls, id, late];
    waiting.push(block);
    return (mixpanel) => {
      const go = () => {
        page.instance = mixpanel;
        resume(mixpanel);
        const index = waiting.indexOf(block);
        if (index < 0) return;
        waiting.splice(index, 1);
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
