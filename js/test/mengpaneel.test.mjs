import assert from "node:assert/strict";
import { test } from "node:test";

import { Mixpanel, page } from "./page.mjs";

const CALLS = JSON.stringify([
  [["identify"], ["42"]],
  [["track"], ["throw"]],
  [["people", "set"], [{ Plan: "Pro" }]],
  [["get_group", "set"], ["company", "acme", { Plan: "Pro" }]],
  [["track"], ["Sign In", { a: 1 }]],
]);
const RAN = [
  ["identify", "42"],
  ["people.set", { Plan: "Pro" }],
  ["get_group.set", "company/acme", { Plan: "Pro" }],
  ["track", "Sign In", { a: 1 }],
];

function started(options) {
  const it = page(options);
  const mixpanel = new Mixpanel();
  it.window.mengpaneel.start(mixpanel);
  return { ...it, mixpanel };
}

test("calls of a response run in their order, each on its own", async () => {
  const { window, requests, mixpanel } = started({ answer: { "X-Mengpaneel-Calls": CALLS } });
  await window.fetch("/x");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Flush-Capable"), "true");
  assert.deepEqual(mixpanel.log, RAN);
});

test("nothing is claimed before mixpanel is there, nor for a visitor who opted out", async () => {
  const { window, requests } = page();
  await window.fetch("/x");
  const mixpanel = new Mixpanel();
  mixpanel.out = true;
  window.mengpaneel.start(mixpanel);
  await window.fetch("/x");
  for (const { headers } of requests) assert.deepEqual([...headers], []);
});

test("a queue that nobody took over claims nothing", async () => {
  const { window, requests } = page();
  window.mengpaneel.start(Object.assign([], { people: [] }));
  await window.fetch("/x");
  assert.deepEqual([...requests[0].headers], []);
});

test("another origin is left alone, whatever its answer carries", async () => {
  const { window, requests, mixpanel } = started({ answer: { "X-Mengpaneel-Calls": CALLS } });
  for (const url of ["https://other.example/", "//other.example/", "blob:https://app.example/1"]) {
    const init = {};
    await window.fetch(url, init);
    assert.equal(requests.at(-1).init, init);
  }
  assert.deepEqual(mixpanel.log, []);
});

test("an answer that came from another origin is not run", async () => {
  const { window, mixpanel } = started({ answer: { "X-Mengpaneel-Calls": CALLS }, type: "cors" });
  await window.fetch("/x");
  assert.deepEqual(mixpanel.log, []);
});

test("the setup's name is sent back until a reset", async () => {
  const answer = { "X-Mengpaneel-Calls": "[]", "X-Mengpaneel-Setup": "0123456789abcdef" };
  const { window, requests, stored, mixpanel } = started({ answer });
  stored.set("mengpaneel_setup", "0123456789abcdef");
  await window.fetch("/x");
  await window.fetch("/x");
  mixpanel.reset();
  assert.equal(stored.size, 0);
  await window.fetch("/x");
  const names = requests.map(({ headers }) => headers.get("X-Mengpaneel-Setup"));
  assert.deepEqual(names, [null, "0123456789abcdef", null]);
});

test("only methods of mixpanel can be named", async () => {
  const calls = [
    [["init"], ["evil"]],
    [["constructor"], ["evil"]],
    [["people", "constructor"], []],
    [["push"], [[["track"], ["evil"]]]],
    [["toString"], []],
    [["hasOwnProperty"], ["x"]],
    [["log", "push"], ["evil"]],
    [["__proto__", "track"], ["evil"]],
    [["get_group"], ["a", "b"]],
    [["track", "call"], ["evil"]],
    [[], []],
    "track",
    null,
    [["track"], ["good"]],
  ];
  const { window, mixpanel } = started({ answer: { "X-Mengpaneel-Calls": JSON.stringify(calls) } });
  await window.fetch("/x");
  assert.deepEqual(mixpanel.log, [["track", "good"]]);
});

test("a request keeps its headers and options", async () => {
  const { window, requests } = started();
  const request = new Request("https://app.example/x", {
    method: "POST",
    body: "{}",
    headers: { "Content-Type": "application/json", "X-A": "1" },
  });
  await window.fetch(request);
  assert.equal(requests[0].input, request);
  assert.equal(requests[0].headers.get("X-A"), "1");
  assert.equal(requests[0].headers.get("Content-Type"), "application/json");
  await window.fetch("/x", { method: "PUT", headers: [["X-B", "2"]] });
  assert.equal(requests[1].init.method, "PUT");
  assert.equal(requests[1].headers.get("X-B"), "2");
});

test("what fetch returned is what the page gets", async () => {
  const promise = Promise.resolve({ type: "basic", headers: new Headers({ "X-Mengpaneel-Calls": "?" }) });
  const { window, mixpanel } = started({ fetch: () => promise });
  assert.equal(window.fetch("/x"), promise);
  await promise;
  assert.deepEqual(mixpanel.log, []);

  const failed = Promise.reject(new TypeError("no network"));
  const offline = started({ fetch: () => failed });
  assert.equal(offline.window.fetch("/x"), failed);
  await assert.rejects(failed, TypeError);
});

test("XMLHttpRequest carries calls too, once", () => {
  const { window, mixpanel } = started();
  const request = new window.XMLHttpRequest();
  request.open("GET", "/x");
  request.send();
  assert.equal(request.sent["X-Mengpaneel-Flush-Capable"], "true");
  request.respond({ "X-Mengpaneel-Calls": CALLS });
  assert.deepEqual(mixpanel.log, RAN);
});

test("XMLHttpRequest to, or answered by, another origin is left alone", () => {
  const { window, mixpanel } = started();
  const other = new window.XMLHttpRequest();
  other.open("GET", "https://other.example/");
  other.send();
  assert.deepEqual(other.sent, {});
  const redirected = new window.XMLHttpRequest();
  redirected.open("GET", "/x");
  redirected.send();
  redirected.respond({ "X-Mengpaneel-Calls": CALLS }, "https://other.example/");
  assert.deepEqual(mixpanel.log, []);
});

test("what the page was given waits for the mixpanel that is handed over", () => {
  const seen = [];
  const queue = [
    () => { throw new Error("as asked"); },
    function () { seen.push(this); },
  ];
  const { window } = page({ state: { queue } });
  const mixpanel = new Mixpanel();
  window.mengpaneel.start(mixpanel);
  assert.deepEqual(seen, [mixpanel]);
  assert.equal(window.mengpaneel.queue, mixpanel);
});

test("a mixpanel that the page's block made known is used", async () => {
  const { window, requests } = page({ state: { instance: new Mixpanel(), setup: "a" } });
  await window.fetch("/x");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Setup"), "a");
});

test("a second Mengpaneel has names of its own", async () => {
  const { window, requests } = page({ name: "billing" });
  window.mengpaneel_billing.start(new Mixpanel());
  await window.fetch("/x");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Flush-Capable-billing"), "true");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Flush-Capable"), null);
});

test("on a server it does nothing", async () => {
  const { start } = await import("../mengpaneel.mjs");
  start({});
});

test("it is small", async () => {
  const { gzipSync } = await import("node:zlib");
  const { readFileSync } = await import("node:fs");
  const size = gzipSync(readFileSync(new URL("../mengpaneel.js", import.meta.url))).length;
  assert.ok(size < 2048, `${size} bytes`);
});
