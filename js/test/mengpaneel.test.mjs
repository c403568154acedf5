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
const LOGGED_CALLS = [
  ["identify", "42"],
  ["people.set", { Plan: "Pro" }],
  ["get_group.set", "company/acme", { Plan: "Pro" }],
  ["track", "Sign In", { a: 1 }],
];

function startedPage(options) {
  const simulated = page(options);
  const mixpanel = new Mixpanel();
  simulated.window.mengpaneel.start(mixpanel);
  return { ...simulated, mixpanel };
}

test("calls of a response run in order, and errors are isolated", async () => {
  const { window, requests, mixpanel } = startedPage({ responseHeaders: { "X-Mengpaneel-Calls": CALLS } });
  await window.fetch("/x");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Flush-Capable"), "true");
  assert.deepEqual(mixpanel.log, LOGGED_CALLS);
});

test("requests are unmarked without mixpanel or after an opt-out", async () => {
  const { window, requests } = page();
  await window.fetch("/x");
  const mixpanel = new Mixpanel();
  mixpanel.optedOut = true;
  window.mengpaneel.start(mixpanel);
  await window.fetch("/x");
  for (const { headers } of requests) assert.deepEqual([...headers], []);
});

test("requests are unmarked while mixpanel is only a queue", async () => {
  const { window, requests } = page();
  window.mengpaneel.start(Object.assign([], { people: [] }));
  await window.fetch("/x");
  assert.deepEqual([...requests[0].headers], []);
});

test("requests to other origins are unchanged", async () => {
  const { window, requests, mixpanel } = startedPage({ responseHeaders: { "X-Mengpaneel-Calls": CALLS } });
  for (const url of ["https://other.example/", "//other.example/", "blob:https://app.example/1"]) {
    const init = {};
    await window.fetch(url, init);
    assert.equal(requests.at(-1).init, init);
  }
  assert.deepEqual(mixpanel.log, []);
});

test("calls from another origin's response do not run", async () => {
  const { window, mixpanel } = startedPage({ responseHeaders: { "X-Mengpaneel-Calls": CALLS }, type: "cors" });
  await window.fetch("/x");
  assert.deepEqual(mixpanel.log, []);
});

test("setup header is sent back until a reset", async () => {
  const responseHeaders = { "X-Mengpaneel-Calls": "[]", "X-Mengpaneel-Setup": "0123456789abcdef" };
  const { window, requests, stored, mixpanel } = startedPage({ responseHeaders });
  stored.set("mengpaneel_setup", "0123456789abcdef");
  await window.fetch("/x");
  await window.fetch("/x");
  mixpanel.reset();
  assert.equal(stored.size, 0);
  await window.fetch("/x");
  const setups = requests.map(({ headers }) => headers.get("X-Mengpaneel-Setup"));
  assert.deepEqual(setups, [null, "0123456789abcdef", null]);
});

test("only methods of mixpanel can be called", async () => {
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
  const { window, mixpanel } = startedPage({ responseHeaders: { "X-Mengpaneel-Calls": JSON.stringify(calls) } });
  await window.fetch("/x");
  assert.deepEqual(mixpanel.log, [["track", "good"]]);
});

test("request keeps its headers and options", async () => {
  const { window, requests } = startedPage();
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

test("fetch returns the original promise", async () => {
  const promise = Promise.resolve({ type: "basic", headers: new Headers({ "X-Mengpaneel-Calls": "?" }) });
  const { window, mixpanel } = startedPage({ fetch: () => promise });
  assert.equal(window.fetch("/x"), promise);
  await promise;
  assert.deepEqual(mixpanel.log, []);

  const rejected = Promise.reject(new TypeError("no network"));
  const offline = startedPage({ fetch: () => rejected });
  assert.equal(offline.window.fetch("/x"), rejected);
  await assert.rejects(rejected, TypeError);
});

test("XMLHttpRequest runs the calls of its response once", () => {
  const { window, mixpanel } = startedPage();
  const request = new window.XMLHttpRequest();
  request.open("GET", "/x");
  request.send();
  assert.equal(request.sent["X-Mengpaneel-Flush-Capable"], "true");
  request.respond({ "X-Mengpaneel-Calls": CALLS });
  assert.deepEqual(mixpanel.log, LOGGED_CALLS);
});

test("XMLHttpRequest ignores other origins", () => {
  const { window, mixpanel } = startedPage();
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

test("start runs the queued functions", () => {
  const instances = [];
  const queue = [
    () => { throw new Error("simulated failure"); },
    function () { instances.push(this); },
  ];
  const { window } = page({ state: { queue } });
  const mixpanel = new Mixpanel();
  window.mengpaneel.start(mixpanel);
  assert.deepEqual(instances, [mixpanel]);
  assert.equal(window.mengpaneel.queue, mixpanel);
});

test("instance set by the page's snippet is used", async () => {
  const { window, requests } = page({ state: { instance: new Mixpanel(), setup: "a" } });
  await window.fetch("/x");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Setup"), "a");
});

test("second Mengpaneel uses its own header names", async () => {
  const { window, requests } = page({ name: "billing" });
  window.mengpaneel_billing.start(new Mixpanel());
  await window.fetch("/x");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Flush-Capable-billing"), "true");
  assert.equal(requests[0].headers.get("X-Mengpaneel-Flush-Capable"), null);
});

test("start does nothing outside of a browser", async () => {
  const { start } = await import("../mengpaneel.mjs");
  start({});
});

test("gzipped script is smaller than 2 KiB", async () => {
  const { gzipSync } = await import("node:zlib");
  const { readFileSync } = await import("node:fs");
  const size = gzipSync(readFileSync(new URL("../mengpaneel.js", import.meta.url))).length;
  assert.ok(size < 2048, `${size} bytes`);
});
