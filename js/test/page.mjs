// A page as far as mengpaneel.js sees it: a window with fetch, XMLHttpRequest and a mixpanel.
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
    this.out = false;
  }
  get_distinct_id() {
    return "1";
  }
  has_opted_out_tracking() {
    return this.out;
  }
  get_group(key, id) {
    return new Group(this.log, `${key}/${id}`);
  }
  track(...args) {
    if (args[0] === "throw") throw new Error("as asked");
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
    this.listeners = this.listeners.filter((known) => known !== listener);
  }
  getResponseHeader(name) {
    return this.answer[name] ?? null;
  }
  send() {}
  respond(answer, url = "https://app.example/x") {
    this.answer = answer;
    this.responseURL = url;
    for (this.readyState = 2; this.readyState <= 4; this.readyState++) {
      for (const listener of [...this.listeners]) listener();
    }
  }
}

export function page({ name, state, fetch, answer = {}, type = "basic" } = {}) {
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
        return { type, headers: new Headers(answer) };
      }),
  };
  for (const method of ["open", "send"]) {
    window.XMLHttpRequest.prototype[method] = Xhr.prototype[method];
  }
  if (state) window.mengpaneel = state;
  const context = { window, URL, Headers, Request, WeakMap };
  // One realm, so that an object of the test is a plain object to the script.
  vm.runInThisContext(`(function ({ ${Object.keys(context)} }) { ${source} })`)(context);
  return { window, requests, stored };
}
