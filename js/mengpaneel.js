// README.md describes each function.
(function (window) {
  "use strict";
  if (!window || !window.document) return;

  var document = window.document;
  var location = window.location;

  function attach(name) {
    var key = name ? "mengpaneel_" + name : "mengpaneel";
    var suffix = name ? "-" + name : "";
    var CAPABLE = "X-Mengpaneel-Flush-Capable" + suffix;
    var CALLS = "X-Mengpaneel-Calls" + suffix;
    var SETUP = "X-Mengpaneel-Setup" + suffix;
    var page = (window[key] = window[key] || {});
    if (page.start) return page;

    var mixpanel;
    var instance = page.instance;
    Object.defineProperty(page, "instance", {
      get: function () {
        return mixpanel;
      },
      set: function (instance) {
        if (instance && instance !== mixpanel) ["reset", "opt_out_tracking"].forEach(forgetSetupOn, instance);
        mixpanel = instance;
      }
    });
    if (instance) page.instance = instance;

    function forgetSetupOn(name) {
      var method = this[name];
      if (typeof method !== "function") return;
      this[name] = function () {
        attempt(function () {
          delete page.setup;
          window.sessionStorage.removeItem(key + "_setup");
        });
        return method.apply(this, arguments);
      };
    }

    function isCapable() {
      return attempt(function () {
        return typeof mixpanel.get_distinct_id === "function" && !mixpanel.has_opted_out_tracking();
      });
    }

    function run(call) {
      var path = call[0];
      var args = call[1];
      var target = mixpanel;
      if (path.length === 2 && path[0] === "people") {
        target = mixpanel.people;
      } else if (path.length === 2 && path[0] === "get_group") {
        target = mixpanel.get_group(args[0], args[1]);
        args = args.slice(2);
      } else if (path.length !== 1) {
        return;
      }
      var method = path[path.length - 1];
      if (isMethod(target, method)) target[method].apply(target, args);
    }

    function receive(header) {
      attempt(function () {
        var calls = header(CALLS);
        if (!calls || !mixpanel) return;
        var setup = header(SETUP);
        var list = JSON.parse(calls);
        function runAll() {
          list.forEach(function (call) {
            attempt(function () {
              run(call);
            });
          });
        }
        if (page.visit) page.visit(runAll)(mixpanel);
        else runAll();
        if (!setup) return;
        if (page.ran) page.ran(setup);
        else page.setup = setup;
      });
    }

    function addHeaders(set) {
      set(CAPABLE, "true");
      if (page.setup && (!page.knows || page.knows(page.setup))) set(SETUP, page.setup);
    }

    function patchFetch(fetch) {
      window.fetch = function (input, init) {
        var args = arguments;
        var changed = attempt(function () {
          return isCapable() && withHeaders(input, init, addHeaders);
        });
        var promise = fetch.apply(this, changed || args);
        if (changed) {
          promise
            .then(function (response) {
              if (response.type !== "basic") return;
              function read() {
                receive(response.headers.get.bind(response.headers));
              }
              if (changed[1].headers.get("X-Sec-Purpose") === "prefetch") whenShown(response.url, read);
              else read();
            })
            .catch(function () {});
        }
        return promise;
      };
    }

    function patchXhr(xhr) {
      var open = xhr.open;
      var send = xhr.send;
      var sameOrigin = new WeakMap();
      xhr.open = function (method, url) {
        var request = this;
        attempt(function () {
          sameOrigin.set(request, isSameOrigin(url));
        });
        return open.apply(this, arguments);
      };
      xhr.send = function () {
        var request = this;
        attempt(function () {
          if (sameOrigin.get(request) && isCapable()) {
            addHeaders(request.setRequestHeader.bind(request));
            request.addEventListener("readystatechange", function read() {
              if (request.readyState < 2) return;
              request.removeEventListener("readystatechange", read);
              if (isSameOrigin(request.responseURL)) receive(request.getResponseHeader.bind(request));
            });
          }
        });
        return send.apply(this, arguments);
      };
    }

    page.start = function (instance, name) {
      if (name) return attach(name).start(instance);
      var queue = page.queue;
      page.instance = page.queue = instance;
      if (Array.isArray(queue) && queue !== instance) {
        queue.forEach(function (item) {
          attempt(function () {
            if (typeof item === "function") item.call(instance);
          });
        });
      }
    };

    if (typeof window.fetch === "function") patchFetch(window.fetch);
    if (window.XMLHttpRequest) patchXhr(window.XMLHttpRequest.prototype);
    return page;
  }

  function attempt(action) {
    try {
      return action();
    } catch (e) {
      return undefined;
    }
  }

  function whenShown(url, then) {
    var fetched = Date.now();
    document.addEventListener("turbo:load", function shown() {
      var late = Date.now() - fetched > 1e4;
      if (late || location.href === url) document.removeEventListener("turbo:load", shown);
      if (!late && location.href === url) then();
    });
  }

  function isMethod(target, name) {
    return (
      /^[a-z][a-z0-9_]*$/.test(name) &&
      !/^(constructor|init|push|get_group)$/.test(name) &&
      Object.prototype.hasOwnProperty.call(Object.getPrototypeOf(target), name) &&
      typeof target[name] === "function"
    );
  }

  function isSameOrigin(url) {
    var address = new URL(url, document.baseURI);
    return address.protocol === location.protocol && address.origin === location.origin;
  }

  function withHeaders(input, init, addHeaders) {
    var isRequest = typeof Request === "function" && input instanceof Request;
    if (!isSameOrigin(isRequest ? input.url : input)) return undefined;
    if (init && Object.getPrototypeOf(init) !== Object.prototype) return undefined;
    var headers = new Headers((init && init.headers) || (isRequest ? input.headers : undefined));
    addHeaders(headers.set.bind(headers));
    return [input, Object.assign({}, init, { headers: headers })];
  }

  var script = document.currentScript;
  attempt(function () {
    attach((script && script.dataset && script.dataset.name) || "");
  });
})(typeof window === "undefined" ? undefined : window);
