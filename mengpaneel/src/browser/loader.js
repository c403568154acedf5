// Returns the mixpanel instance of the token `ownToken`: an existing one of the page, or a new one. The new
// one gets the name `ownName` if the page has a mixpanel of another token.
((url, ownToken, config, ownName) => {
  // The page's mixpanel: mixpanel-js itself, a loader's queue, or undefined.
  const page = window.mixpanel;
  const methods = "disable time_event track track_pageview track_links track_forms track_with_groups add_group set_group remove_group register register_once alias unregister identify name_tag set_config reset opt_in_tracking opt_out_tracking has_opted_in_tracking has_opted_out_tracking clear_opt_in_out_tracking start_batch_senders start_session_recording stop_session_recording";
  const people = "set set_once unset increment append union track_charge clear_charges delete_user remove";
  const group = "set set_once union unset remove delete";
  // Adds methods to `target` that append their name and arguments to `list`, prefixed by the call `first`.
  const defer = (target, names, list, first) => {
    for (const name of names.split(" ")) target[name] = (...args) => {
      const call = [name, ...args];
      list.push(first ? [first, call] : call);
    };
    return target;
  };
  const queue = (target) => {
    target.people = target.people || [];
    target.get_group = (...args) => defer({}, group, target, ["get_group", ...args]);
    defer(target.people, people, target.people);
    return defer(target, methods, target);
  };
  const tokenOf = (instance) => instance && instance.get_config && instance.get_config("token");
  if (page && page.init) {
    if (tokenOf(page) === ownToken) return page;
    const existing = (page._i || []).find((item) => item[0] === ownToken);
    if (existing) return existing[2] === "mixpanel" ? page : page[existing[2]];
    if (tokenOf(page[ownName]) !== ownToken) page.init(ownToken, config, ownName);
    return page[ownName];
  }
  const script = document.createElement("script");
  const current = document.currentScript;
  script.async = true;
  script.nonce = (current && current.nonce) || "";
  script.src = url;
  document.head.appendChild(script);
  const stub = (window.mixpanel = []);
  let ours = stub;
  stub.__SV = 1.2;
  stub._i = [];
  stub.init = (token, config, name) => {
    if (!name && token !== ownToken && ours === stub) {
      // The page's own snippet runs after this one: its mixpanel becomes the main one, and ours moves to `ownName`.
      ours = queue((stub[ownName] = []));
      ours.push(...stub.splice(0));
      ours.people.push(...stub.people.splice(0));
      stub._i[0][2] = ownName;
    }
    queue(name ? (stub[name] = []) : stub);
    stub._i.push([token, config, name || "mixpanel"]);
  };
  stub.init(ownToken, config);
  return {
    push(item) {
      ours.push(item);
    }
  };
})
