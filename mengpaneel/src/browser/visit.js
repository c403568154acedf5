(function (own) {
  // Sees the calls of a page through. `visit(calls)` takes a function that makes them on `this`, and
  // gives one that is handed mixpanel-js once it is there.
  //   A page that is prerendered makes them when it is shown.
  //   Who leaves before mixpanel-js is there takes them along: the next page makes them first.
  // That may be a page that the browser kept, and shows again as it was.
  //   Who leaves before mixpanel-js has surely stored an event (half a second) or sent it (ten) has it
  //   sent once more; it is counted once.
  var key = own + "_left";
  var page = window[own];
  var waiting = [];
  var made = [];
  var again = false;

  function attempt(something) {
    try {
      return something();
    } catch (e) {}
  }
  function left() {
    return attempt(function () {
      return JSON.parse(sessionStorage.getItem(key));
    }) || [];
  }
  // What a function would call, as [method path, arguments] each.
  function noted(calls) {
    var list = [];
    function at(path, first) {
      return new Proxy(function () {}, {
        get: function (_, name) {
          return at(path.concat(name), first);
        },
        apply: function (_, __, args) {
          args = first.concat([].slice.call(args));
          if (path.length === 1 && path[0] === "get_group") return at(path, args);
          list.push([path, args]);
        }
      });
    }
    calls.call(at([], []));
    return list;
  }
  function make(mixpanel, call) {
    var path = call[0];
    var args = call[1];
    var target = mixpanel;
    if (path[0] === "people") target = mixpanel.people;
    if (path[0] === "get_group") target = mixpanel.get_group(args.shift(), args.shift());
    target[path[path.length - 1]].apply(target, args);
  }
  // Makes the calls, and remembers the events that come of them.
  function run(mixpanel, calls) {
    var patched = Object.prototype.hasOwnProperty.call(mixpanel, "track");
    var track = mixpanel.track;
    mixpanel.track = function () {
      var event = track.apply(this, arguments);
      if (event && event.properties) made.push({ at: Date.now(), by: mixpanel, event: event });
      return event;
    };
    attempt(function () {
      calls.call(mixpanel);
    });
    if (patched) mixpanel.track = track;
    else delete mixpanel.track;
  }
  function leave() {
    if (document.prerendering) return;
    attempt(function () {
      if (!waiting.length) return;
      sessionStorage.setItem(key, JSON.stringify(waiting.reduce(function (list, calls) {
        return list.concat(noted(calls));
      }, left())));
      waiting = [];
    });
    var now = Date.now();
    made.forEach(function (one) {
      attempt(function () {
        var sent = one.event.properties;
        if (now - one.at > 1e4 || sent.$user_id !== one.by.get_property("$user_id")) return;
        one.by.track(one.event.event, sent, { transport: "sendBeacon", send_immediately: true });
      });
      // A profile that may not have been stored either is written anew by the next page.
      if (now - one.at < 500) attempt(function () {
        sessionStorage.removeItem(own + "_setup");
      });
    });
    made = [];
  }
  // Makes the calls of a page that was left before it could.
  function resume(mixpanel) {
    var before = left();
    if (before.length) attempt(function () {
      sessionStorage.removeItem(key);
      run(mixpanel, function () {
        before.forEach(function (call) {
          attempt(function () {
            make(mixpanel, call);
          });
        });
      });
    });
  }
  addEventListener("pagehide", leave);
  addEventListener("pageshow", function (event) {
    again = event.persisted;
    if (again && page.instance) resume(page.instance);
  });
  // A page that is shown again may be shown before the other one is told that it is left.
  addEventListener("storage", function (event) {
    if (again && event.key === key && event.newValue && page.instance) resume(page.instance);
  });

  return function (calls) {
    waiting.push(calls);
    return function (mixpanel) {
      function go() {
        page.instance = mixpanel;
        resume(mixpanel);
        var place = waiting.indexOf(calls);
        if (place >= 0) run(mixpanel, waiting.splice(place, 1)[0]);
      }
      if (document.prerendering) document.addEventListener("prerenderingchange", go);
      else go();
    };
  };
})
