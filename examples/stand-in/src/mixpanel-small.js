// Small replacement for mixpanel-js, for machines that cannot reach Mixpanel's CDN. Implements the parts of
// mixpanel-js 2 that the example needs: the loader's queue, `init`, the cookie `mp_<token>_mixpanel`, events,
// super properties, identity, profiles, groups and consent.
//   Each call sends one request that outlives the page. Not implemented: batches, hooks, flags, session
// recordings, automatic events and browser properties. Profile operations before `identify` are queued in
// memory only.
(function (window) {
  "use strict";

  const { document, navigator, location, screen } = window;
  const MAIN = "mixpanel";
  const DEVICE_PREFIX = "$device:";
  const ALIAS = "__alias";
  // Keys of the cookie that are not super properties.
  const RESERVED = ["__mps", "__mpso", "__mpus", "__mpa", "__mpap", "__mpr", "__mpu", "$people_distinct_id", ALIAS, "__timers"];
  // Browsers limit the bodies of `keepalive` requests to 64 KiB.
  const MAX_KEEPALIVE_BYTES = 60_000;
  const DEFAULTS = {
    api_host: "https://api-js.mixpanel.com",
    cookie_expiration: 365,
    ip: true,
    loaded() {},
    opt_out_tracking_cookie_prefix: "__mp_opt_in_out_",
    opt_out_tracking_persistence_type: "localStorage",
    persistence: "cookie",
    property_blacklist: [],
    save_referrer: true
  };

  function attempt(action) {
    try {
      return action();
    } catch (error) {
      return undefined;
    }
  }

  // `crypto.randomUUID` is unavailable on plain HTTP.
  function uuid() {
    const bytes = window.crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }

  // Normalizes the arguments of `set("a", 1)` and `set({a: 1})` to an object.
  const asObject = (name, value) => (typeof name === "object" ? name : { [name]: value });

  const asList = (value) => (Array.isArray(value) ? value : [value]);

  const storages = {
    cookie: {
      get(name) {
        const found = document.cookie.split("; ").find((pair) => pair.startsWith(name + "="));
        return found === undefined ? null : attempt(() => decodeURIComponent(found.slice(name.length + 1)));
      },
      set(name, value, config, days = config.cookie_expiration) {
        const crossSite = config.cross_site_cookie ? "; SameSite=None" : "";
        const secure = config.secure_cookie || crossSite ? "; secure" : "";
        const domain = config.cookie_domain ? "; domain=" + config.cookie_domain : "";
        const expires = days ? "; expires=" + new Date(Date.now() + days * 864e5).toUTCString() : "";
        document.cookie = name + "=" + encodeURIComponent(value) + expires + "; path=/" + domain + crossSite + secure;
      },
      remove(name, config) {
        this.set(name, "", config, -1);
      }
    },
    localStorage: {
      get: (name) => attempt(() => window.localStorage.getItem(name)),
      set: (name, value) => attempt(() => window.localStorage.setItem(name, value)),
      remove: (name) => attempt(() => window.localStorage.removeItem(name))
    }
  };

  const storageOf = (kind) => storages[kind] || storages.cookie;

  const domainOf = (url) => attempt(() => new URL(url).hostname);

  // Page properties of every event. JSON omits undefined properties.
  const pageProperties = () => ({
    $referrer: document.referrer || undefined,
    $referring_domain: domainOf(document.referrer),
    $current_url: location.href,
    $screen_height: screen.height,
    $screen_width: screen.width,
    mp_lib: "web",
    $lib_version: "stand-in",
    $insert_id: uuid(),
    time: Date.now() / 1000
  });

  // Runs a call `[name, ...arguments]`, or a chain of such calls.
  function run(target, call) {
    const chain = Array.isArray(call[0]) ? call : [call];
    attempt(() => chain.reduce((object, [name, ...args]) => object[name](...args), target));
  }

  // Operations of user and group profiles. They are copied into both prototypes, because mengpaneel.js only
  // calls a prototype's own methods.
  const operations = {
    set(name, value, done) {
      return this._send({ $set: asObject(name, value) }, done);
    },
    set_once(name, value, done) {
      return this._send({ $set_once: asObject(name, value) }, done);
    },
    unset(names, done) {
      return this._send({ $unset: asList(names) }, done);
    },
    remove(name, value, done) {
      return this._send({ $remove: asObject(name, value) }, done);
    },
    union(name, values, done) {
      const lists = Object.entries(asObject(name, values)).map(([name, value]) => [name, asList(value)]);
      return this._send({ $union: Object.fromEntries(lists) }, done);
    }
  };

  class People {
    constructor(mixpanel) {
      this._mixpanel = mixpanel;
      this._queue = [];
    }
    increment(name, by, done) {
      return this._send({ $add: asObject(name, by === undefined ? 1 : by) }, done);
    }
    append(name, value, done) {
      return this._send({ $append: asObject(name, value) }, done);
    }
    delete_user() {
      return this._mixpanel._isIdentified && this._send({ $delete: this._mixpanel.get_distinct_id() });
    }
    _send(operation, done) {
      const mixpanel = this._mixpanel;
      if (mixpanel.has_opted_out_tracking()) return undefined;
      if (!mixpanel._isIdentified) {
        this._queue.push([operation, done]);
        return undefined;
      }
      const record = {
        ...operation,
        $token: mixpanel.get_config("token"),
        $distinct_id: mixpanel.get_distinct_id(),
        $device_id: mixpanel.get_property("$device_id"),
        $user_id: mixpanel.get_property("$user_id"),
        $had_persisted_distinct_id: mixpanel.get_property("$had_persisted_distinct_id")
      };
      mixpanel._send("/engage/", record, {}, done);
      return record;
    }
    _flush() {
      for (const [operation, done] of this._queue.splice(0)) this._send(operation, done);
    }
  }
  Object.assign(People.prototype, operations);

  class Group {
    constructor(mixpanel, key, id) {
      this._mixpanel = mixpanel;
      this._names = { $group_key: key, $group_id: id };
    }
    delete(done) {
      return this._send({ $delete: "" }, done);
    }
    _send(operation, done) {
      const mixpanel = this._mixpanel;
      if (mixpanel.has_opted_out_tracking()) return undefined;
      const record = { ...operation, ...this._names, $token: mixpanel.get_config("token") };
      mixpanel._send("/groups/", record, {}, done);
      return record;
    }
  }
  Object.assign(Group.prototype, operations);

  class Mixpanel {
    constructor(token, config, name) {
      this._config = { ...DEFAULTS, ...config, token, name };
      this._props = {};
      this._isIdentified = false;
      this._isDisabled = Boolean(this._config.disable_persistence);
      this.people = new People(this);
      this.__loaded = true;
      if (this.has_opted_out_tracking()) this._disablePersistence();
      else if (!this.has_opted_in_tracking() && this._config.opt_out_tracking_by_default) {
        this.opt_out_tracking({ clear_persistence: this._config.opt_out_persistence_by_default });
      }
      if (!this.get_distinct_id()) this._newDevice();
      if (this._config.save_referrer) {
        const referrer = document.referrer;
        this.register_once({ $initial_referrer: referrer || "$direct", $initial_referring_domain: domainOf(referrer) || "$direct" }, "");
      }
    }

    // Accepts items of the loader's queue: functions, and calls made before this library loaded.
    push(item) {
      this._runAll([item]);
    }
    _runAll(items) {
      const isTracking = ([name]) => Array.isArray(name) || (name !== "alias" && name.includes("track"));
      for (const item of items) if (typeof item === "function") item.call(this);
      const calls = items.filter(Array.isArray);
      const aliases = calls.filter(([name]) => name === "alias");
      const tracking = calls.filter(isTracking);
      const rest = calls.filter((call) => !aliases.includes(call) && !tracking.includes(call));
      for (const call of [...aliases, ...rest, ...tracking]) run(this, call);
    }
    init(token, config, name) {
      if (!name || name === MAIN) return undefined;
      const instance = create(token, config, name);
      window.mixpanel[name] = instance;
      instance._config.loaded(instance);
      return instance;
    }

    track(event, properties, options, done) {
      if (typeof options === "function") [done, options] = [options, {}];
      if (this.has_opted_out_tracking()) return undefined;
      if (event === undefined) return undefined;
      const all = { ...pageProperties(), ...this._superProperties(), ...properties, token: this._config.token };
      for (const name of this._config.property_blacklist) delete all[name];
      const record = { event, properties: all };
      this._send("/track/", record, options || {}, done);
      return record;
    }

    identify(id) {
      const previous = this.get_distinct_id();
      if (id && id !== previous) {
        if (typeof id === "string" && id.startsWith(DEVICE_PREFIX)) return -1;
        this.register({ $user_id: id });
      }
      if (!this.get_property("$device_id")) this.register_once({ $had_persisted_distinct_id: true, $device_id: previous }, "");
      if (id !== previous && id !== this.get_property(ALIAS)) {
        this.unregister(ALIAS);
        this.register({ distinct_id: id });
      }
      this._isIdentified = true;
      this.people._flush();
      if (id !== previous) this.track("$identify", { distinct_id: id, $anon_distinct_id: previous });
      return undefined;
    }
    alias(alias, original = this.get_distinct_id()) {
      if (alias === original) {
        this.identify(alias);
        return -1;
      }
      this.register({ [ALIAS]: alias });
      return this.track("$create_alias", { alias, distinct_id: original }, () => this.identify(alias));
    }
    reset() {
      this._clear();
      this._isIdentified = false;
      this._newDevice();
    }
    get_distinct_id() {
      return this.get_property("distinct_id");
    }
    get_property(name) {
      this._load();
      return this._props[name];
    }
    register(properties) {
      this._load();
      Object.assign(this._props, properties);
      this._save();
    }
    register_once(properties, missing = "None") {
      this._load();
      for (const [name, value] of Object.entries(properties)) {
        if (!Object.hasOwn(this._props, name) || this._props[name] === missing) this._props[name] = value;
      }
      this._save();
    }
    unregister(name) {
      this._load();
      delete this._props[name];
      this._save();
    }

    get_group(key, id) {
      return new Group(this, key, id);
    }
    set_group(key, ids, done) {
      this.register({ [key]: asList(ids) });
      return this.people.set(key, asList(ids), done);
    }

    has_opted_in_tracking() {
      return this._consent() === "1";
    }
    has_opted_out_tracking() {
      const signals = [navigator.doNotTrack, navigator.msDoNotTrack, window.doNotTrack];
      const hasSignal = signals.some((value) => [true, 1, "1", "yes"].includes(value));
      return (hasSignal && !this._config.ignore_dnt) || this._consent() === "0";
    }
    opt_in_tracking(options) {
      this._setConsent("1");
      this._isDisabled = Boolean(this._config.disable_persistence);
      this._save();
      const { track = this.track.bind(this), track_event_name = "$opt_in", track_properties } = options || {};
      if (track) track(track_event_name, track_properties, { send_immediately: true });
    }
    opt_out_tracking(options) {
      const { clear_persistence = true, delete_user = true } = options || {};
      if (delete_user) this.people.delete_user();
      this._setConsent("0");
      if (clear_persistence) this._disablePersistence();
    }
    clear_opt_in_out_tracking() {
      storageOf(this._config.opt_out_tracking_persistence_type).remove(this._consentName(), this._config);
      this._isDisabled = Boolean(this._config.disable_persistence);
      this._save();
    }
    _consentName() {
      return this._config.opt_out_tracking_cookie_prefix + this._config.token;
    }
    _consent() {
      return storageOf(this._config.opt_out_tracking_persistence_type).get(this._consentName());
    }
    _setConsent(value) {
      storageOf(this._config.opt_out_tracking_persistence_type).set(this._consentName(), value, this._config);
    }

    get_config(name) {
      return name === undefined ? this._config : this._config[name];
    }
    set_config(config) {
      Object.assign(this._config, config);
    }

    _storage() {
      return storageOf(this._config.persistence);
    }
    _storageName() {
      return "mp_" + (this._config.persistence_name || this._config.token + "_mixpanel");
    }
    _load() {
      if (this._isDisabled) return;
      const stored = attempt(() => JSON.parse(this._storage().get(this._storageName())));
      if (stored && typeof stored === "object") this._props = stored;
    }
    _save() {
      if (!this._isDisabled) this._storage().set(this._storageName(), JSON.stringify(this._props), this._config);
    }
    _clear() {
      this._storage().remove(this._storageName(), this._config);
      this._props = {};
    }
    _disablePersistence() {
      this._storage().remove(this._storageName(), this._config);
      this._isDisabled = true;
    }
    _newDevice() {
      const id = uuid();
      this.register_once({ distinct_id: DEVICE_PREFIX + id, $device_id: id }, "");
    }
    _superProperties() {
      this._load();
      return Object.fromEntries(Object.entries(this._props).filter(([name]) => !RESERVED.includes(name)));
    }

    _send(path, record, options, done = () => {}) {
      const parameters = new URLSearchParams({ verbose: 1, ip: this._config.ip ? 1 : 0, _: Date.now() });
      const url = this._config.api_host + path + "?" + parameters;
      const body = new URLSearchParams({ data: JSON.stringify(record) });
      if (options.transport === "sendBeacon" && attempt(() => navigator.sendBeacon(url, body))) return done(1);
      const keepalive = body.toString().length < MAX_KEEPALIVE_BYTES;
      window.fetch(url, { method: "POST", body, keepalive, credentials: "omit" }).then(
        (response) => done(response.ok ? 1 : 0),
        () => done(0)
      );
    }
  }

  // Queue of the page's loader.
  const stub = window.mixpanel;

  function create(token, config, name) {
    const queue = name === MAIN ? stub : stub[name];
    const instance = new Mixpanel(token, config, name);
    if (Array.isArray(queue)) {
      for (const call of queue.people || []) run(instance.people, call);
      instance._runAll(queue);
    }
    return instance;
  }

  if (!stub || !Array.isArray(stub._i)) {
    console.error("mixpanel-small.js: this page has no loader of mixpanel-js, so nothing is tracked");
    return;
  }
  const instances = stub._i.map((item) => [item[2], create(...item)]);
  const main = (instances.find(([name]) => name === MAIN) || [MAIN, stub])[1];
  for (const [name, instance] of instances) if (name !== MAIN) main[name] = instance;
  window.mixpanel = main;
  for (const [, instance] of instances) instance._config.loaded(instance);
})(window);
