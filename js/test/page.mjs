// Simulated page for mengpaneel.js: a window with fetch and XMLHttpRequest, and a fake mixpanel-js.
import { readFileSync } from "node:fs";
import vm from "node:vm";

const source = readFileSync(new URL("../mengpaneel.js", import.meta.url), "utf8");

export class Group {
  constructor(log, id) {
    this.log = log;
    this.id = id;
  }
  set(...args) {
    this.log.push(["get_group.set", this.id, ...args]);
  }
}

class People {
  constructor(log) {
    this.log = log;
  }
  set(...args) {
    this.log.push(["people.set", ...args]);
  }
}

export class Mixpanel {
  constructor() {
    this.log = [];
    this.people = new People(this.log);
    this.optedOut = false;
  }
  get_distinct_id() {
    return "1";
  }
  has_opted_out_tracking() {
    return this.optedOut;
  }
  get_group(key, id) {
    return new Group(this.log, `${key}/${id}`);
  }
  track(...args) {
    if (args[0] === "throw") throw new Error("simulated failure");
    this.log.push(["track", ...args]);
  }
  identify(...args) {
    this.log.push(["identify", ...args]);
  }
  init(...args) {
    this.log.push(["init", ...args]);
  }
  reset() {
    this.log.push(["reset"]);
  }
}

class Xhr {
  constructor() {
    this.sent = {};
    this.listeners = [];
    this.readyState = 1;
  }
  open(method, url) {
    this.url = url;
  }
  setRequestHeader(name, value) {
    this.sent[name] = value;
  }
  addEventListener(event, listener) {
    this.listeners.push(listener);
  }
  removeEventListener(event, listener) {
    this.listeners = this.listeners.filter((other) => other !== listener);
  }
  getResponseHeader(name) {
    return this.responseHeaders[name] ?? null;
  }
  send() {}
  respond(responseHeaders, url = "https://app.example/x") {
    this.responseHeaders = responseHeaders;
    this.responseURL = url;
    for (this.readyState = 2; this.readyState <= 4; this.readyState++) {
      for (const listener of [...this.listeners]) listener();
    }
  }
}

export function page({ name, state, fetch, responseHeaders = {}, type = "basic" } = {}) {
  const requests = [];
  const stored = new Map();
  const window = {
    location: new URL("https://app.example/page"),
    document: {
      baseURI: "https://app.example/page",
      currentScript: { dataset: name ? { name } : {} },
    },
    sessionStorage: { removeItem: (key) => stored.delete(key) },
    XMLHttpRequest: class extends Xhr {},
    fetch:
      fetch ??
      (async (input, init) => {
        requests.push({ input, init, headers: new Headers(init?.headers) });
        return { type, headers: new Headers(responseHeaders) };
      }),
  };
  for (const method of ["open", "send"]) {
    window.XMLHttpRequest.prototype[method] = Xhr.prototype[method];
  }
  if (state) window.mengpaneel = state;
  const context = { window, URL, Headers, Request, WeakMap };
  // Runs in the test's realm, so that the test's objects are plain objects for the script.
  vm.runInThisContext(`(function ({ ${Object.keys(context)} }) { ${source} })`)(context);
  return { window, requests, stored };
}
