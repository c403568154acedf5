(function (url) {
  // What the page has of mixpanel-js: itself, a loader's queue that it takes over, or nothing.
  var page = window.mixpanel;
  var methods = "disable time_event track track_pageview track_links track_forms track_with_groups add_group set_group remove_group register register_once alias unregister identify name_tag set_config reset opt_in_tracking opt_out_tracking has_opted_in_tracking has_opted_out_tracking clear_opt_in_out_tracking start_batch_senders start_session_recording stop_session_recording".split(" ");
  var people = "set set_once unset increment append union track_charge clear_charges delete_user remove".split(" ");
  var group = "set set_once union unset remove delete".split(" ");
  function list(args) {
    return Array.prototype.slice.call(args);
  }
  // Gives `target` methods that hand `put` their name and arguments.
  function defer(target, names, put) {
    names.forEach(function (name) {
      target[name] = function () {
        put([name].concat(list(arguments)));
      };
    });
  }
  function queue(target, label) {
    target.toString = function () {
      return label + " (stub)";
    };
    target.people = target.people || [];
    defer(target, methods, function (call) {
      target.push(call);
    });
    defer(target.people, people, function (call) {
      target.people.push(call);
    });
    target.get_group = function () {
      var first = ["get_group"].concat(list(arguments));
      var chain = {};
      defer(chain, group, function (call) {
        target.push([first, call]);
      });
      return chain;
    };
    return target;
  }
  function load(mine, config, own) {
    var script = document.createElement("script");
    var current = document.currentScript;
    script.async = true;
    script.nonce = (current && current.nonce) || "";
    script.src = url;
    document.head.appendChild(script);
    var stub = (window.mixpanel = []);
    var ours = stub;
    stub.__SV = 1.2;
    stub._i = [];
    stub.init = function (token, config, name) {
      if (!name && token !== mine && ours === stub) {
        // The page's own snippet, after ours: its mixpanel is the main one, ours goes aside.
        ours = queue((stub[own] = []), "mixpanel." + own);
        ours.push.apply(ours, stub.splice(0));
        ours.people.push.apply(ours.people, stub.people.splice(0));
        stub._i[0][2] = own;
      }
      queue(name ? (stub[name] = []) : stub, name ? "mixpanel." + name : "mixpanel");
      stub._i.push([token, config, name || "mixpanel"]);
    };
    stub.init(mine, config);
    return {
      push: function (item) {
        ours.push(item);
      }
    };
  }
  function token(instance) {
    return instance && instance.get_config && instance.get_config("token");
  }
  return {
    // The mixpanel of this token: the page's own, or a new one, which has the name `own` where
    // another one is there already.
    init: function (mine, config, own) {
      if (!page || !page.init) {
        return load(mine, config, own);
      }
      if (token(page) === mine) {
        return page;
      }
      var known = (page._i || []).filter(function (item) {
        return item[0] === mine;
      })[0];
      if (known) {
        return known[2] === "mixpanel" ? page : page[known[2]];
      }
      if (token(page[own]) !== mine) {
        page.init(mine, config, own);
      }
      return page[own];
    }
  };
})
