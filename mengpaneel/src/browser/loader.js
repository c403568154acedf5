// The mixpanel of the token `mine`: the page's own, or a new one, which has the name `own` where another
// one is there already.
((url, mine, config, own) => {
  // What the page has of mixpanel-js: itself, a loader's queue that it takes over, or nothing.
  const page = window.mixpanel;
  const methods = "disable time_event track track_pageview track_links track_forms track_with_groups add_group set_group remove_group register register_once alias unregister identify name_tag set_config reset opt_in_tracking opt_out_tracking has_opted_in_tracking has_opted_out_tracking clear_opt_in_out_tracking start_batch_senders start_session_recording stop_session_recording";
  const people = "set set_once unset increment append union track_charge clear_charges delete_user remove";
  const group = "set set_once union unset remove delete";
  // Gives `target` methods that put their name and arguments behind `list`, behind what is first.
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
  const token = (instance) => instance && instance.get_config && instance.get_config("token");
  if (page && page.init) {
    if (token(page) === mine) return page;
    const known = (page._i || []).find((item) => item[0] === mine);
    if (known) return known[2] === "mixpanel" ? page : page[known[2]];
    if (token(page[own]) !== mine) page.init(mine, config, own);
    return page[own];
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
    if (!name && token !== mine && ours === stub) {
      // The page's own snippet, after ours: its mixpanel is the main one, ours goes aside.
      ours = queue((stub[own] = []));
      ours.push(...stub.splice(0));
      ours.people.push(...stub.people.splice(0));
      stub._i[0][2] = own;
    }
    queue(name ? (stub[name] = []) : stub);
    stub._i.push([token, config, name || "mixpanel"]);
  };
  stub.init(mine, config);
  return {
    push(item) {
      ours.push(item);
    }
  };
})
