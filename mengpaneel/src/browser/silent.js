// Stub of mixpanel-js for the page of a visitor without consent. It has all methods of mixpanel-js, which do
// nothing until `opt_in_tracking` loads mixpanel-js and opts in. The stub is `window.mixpanel`, or the
// property `ownName` of the page's mixpanel if that one has another token.
((url, ownToken, config, ownName) => {
  const current = document.currentScript;
  const nonce = (current && current.nonce) || "";
  // Methods whose queued calls mixpanel-js runs after it has loaded.
  const methods = "disable time_event track track_pageview track_links track_forms track_with_groups add_group set_group remove_group register register_once alias unregister identify name_tag set_config reset opt_in_tracking opt_out_tracking has_opted_in_tracking has_opted_out_tracking clear_opt_in_out_tracking start_batch_senders start_session_recording stop_session_recording";
  const unqueued = "enable stop_batch_senders pause_session_recording resume_session_recording add_hook remove_hook";
  const people = "set set_once unset increment append union track_charge clear_charges delete_user remove";
  const group = "set set_once union unset remove delete";
  const flags = "load_flags get_variant get_variant_value is_enabled get_all_variants when_ready update_context";
  const main = "mixpanel";
  const each = (names, action) => names.split(" ").forEach(action);
  const append = (list, item) => Array.prototype.push.call(list, item);
  const attempt = (action) => {
    try {
      return action();
    } catch (e) {}
  };
  // Calls the callback as mixpanel-js does for a visitor who opted out.
  const refuse = (name, args) => {
    const last = args[args.length - 1];
    if (typeof last === "function" && !/links|forms|hook/.test(name)) attempt(() => last(0));
  };
  let isLoading = false;
  const load = () => {
    if (isLoading) return;
    isLoading = true;
    const script = document.createElement("script");
    script.async = true;
    script.nonce = nonce;
    script.src = url;
    document.head.appendChild(script);
  };

  const make = (name) => {
    const stub = [];
    // Token of the mixpanel that replaces this stub after an opt-in. Empty before.
    let token = "";
    const found = () => (name === main ? window.mixpanel : (window.mixpanel || {})[name]);
    // Calls `action` with mixpanel-js if it has replaced this stub. Returns [result], or null if it has not.
    const live = (action) => {
      const mixpanel = token && found();
      return mixpanel && mixpanel !== stub ? [attempt(() => action(mixpanel))] : null;
    };
    // Adds methods to `target` that call mixpanel-js, are queued for it, or do nothing. `of` maps a mixpanel to
    // the object that has the methods.
    const define = (target, names, list, of, first) => {
      each(names, (method) => {
        target[method] = (...args) => {
          const result = live((mixpanel) => of(mixpanel)[method](...args));
          if (result) return result[0];
          const call = [method, ...args];
          if (!token) refuse(method, args);
          else if (list) append(list, first ? [first, call] : call);
        };
      });
      return target;
    };
    const answer = (method, value) => {
      stub[method] = (...args) => {
        const result = live((mixpanel) => mixpanel[method](...args));
        return result ? result[0] : value(...args);
      };
    };
    const identity = (mixpanel) => mixpanel;
    stub.__SV = 1.2;
    stub._i = [];
    define(stub, methods, stub, identity);
    define(stub, unqueued, null, identity);
    stub.people = define([], people, null, (mixpanel) => mixpanel.people);
    define(stub.people, people, stub.people, (mixpanel) => mixpanel.people);
    stub.get_group = (...args) =>
      define({}, group, stub, (mixpanel) => mixpanel.get_group(...args), ["get_group", ...args]);
    stub.flags = {};
    each(flags, (method) => {
      const otherwise = (fallback) => (/all/.test(method) ? new Map() : fallback);
      const now = (_, fallback) => otherwise(fallback);
      stub.flags[method] = (...args) => Promise.resolve(now(...args));
      stub.flags[method + "_sync"] = now;
    });
    stub.flags.are_flags_ready = () => false;
    answer("has_opted_in_tracking", () => false);
    answer("has_opted_out_tracking", () => !token);
    answer("get_distinct_id", () => "");
    answer("get_property", () => undefined);
    answer("get_tab_id", () => "");
    answer("get_session_recording_properties", () => ({}));
    answer("get_session_replay_url", () => null);
    answer("get_api_host", () => config.api_host || "");
    answer("toString", () => (name === main ? main : main + "." + name));
    answer("get_config", (key) => {
      const all = Object.assign({}, config, { token: token || ownToken, name });
      return key ? all[key] : all;
    });
    stub.push = (...items) => {
      for (const item of items) {
        if (live((mixpanel) => mixpanel.push(item))) continue;
        if (token) append(stub, item);
        else if (typeof item === "function") attempt(() => item.call(stub));
      }
      return stub.length;
    };
    // Turns this stub into the loader's queue of a token's main mixpanel. Other properties of the stub are kept.
    const become = (as, settings) => {
      token = as;
      append(stub, function () {
        for (const key of Object.keys(stub)) if (isNaN(key) && !baseKeys.includes(key) && !(key in this)) this[key] = stub[key];
      });
      if (stub.init !== init) return stub.init(as, settings);
      stub._i.push([as, settings, main]);
      load();
    };
    const init = (as, settings, named) => {
      if (named === main) named = undefined;
      if (as === ownToken || !as) {
        if (named) stub[named] = stub[named] || make(named);
        attempt(() => settings.loaded(named ? stub[named] : stub));
      } else if (named) {
        // A named mixpanel of another token, next to ours.
        const queue = (stub[named] = []);
        define(queue, methods, null, identity);
        each(methods, (method) => (queue[method] = (...args) => append(queue, [method, ...args])));
        queue.people = [];
        each(people, (method) => (queue.people[method] = (...args) => append(queue.people, [method, ...args])));
        queue.get_group = (...args) => {
          const target = {};
          each(group, (method) => (target[method] = (...rest) => append(queue, [["get_group", ...args], [method, ...rest]])));
          return target;
        };
        stub._i.push([as, settings, named]);
        load();
      } else if (!token) {
        // The page's own main mixpanel: ours moves to `ownName`.
        stub[ownName] = make(ownName);
        become(as, settings);
      }
      return stub;
    };
    stub.init = init;
    stub.opt_in_tracking = (...args) => {
      const result = live((mixpanel) => mixpanel.opt_in_tracking(...args));
      if (result) return result[0];
      const opt_in = function () {
        this.opt_in_tracking(...args);
      };
      if (token) return append(stub, opt_in);
      const settings = Object.assign({}, config, { ignore_dnt: true });
      if (name === main) {
        append(stub, opt_in);
        become(ownToken, settings);
      } else {
        const page = window.mixpanel;
        token = ownToken;
        delete page[name];
        page.init(ownToken, settings, name);
        page[name].push(opt_in);
      }
    };
    const baseKeys = Object.keys(stub);
    return stub;
  };

  const page = window.mixpanel;
  if (page && page.init) {
    const token = page.get_config && page.get_config("token");
    if (token === ownToken || (page._i || []).some((item) => item[0] === ownToken) || page[ownName]) return;
    const instance = (page[ownName] = make(ownName));
    page.push(function () {
      this[ownName] = this[ownName] || instance;
    });
  } else {
    window.mixpanel = make(main);
  }
})
