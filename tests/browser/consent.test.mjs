// Consent in a real browser: server and mixpanel-js come to the same decision.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start, startCdn } from "./site.mjs";
import { launch, newVisitor } from "./visitor.mjs";

const SITES = {
  "no configuration": {},
  "opt-out by default": { JS_CONFIG: '{"opt_out_tracking_by_default": true}' },
  "DNT ignored": { JS_CONFIG: '{"ignore_dnt": true}' },
  "application rule": { RULE: "1" },
};

const sites = {};
let browser, cdn;

before(async () => {
  [browser, cdn] = await Promise.all([launch(), startCdn()]);
  for (const [name, variables] of Object.entries(SITES)) {
    sites[name] = await start("consents", { CDN: cdn.url, ...variables });
  }
});

after(async () => {
  await browser?.close();
  await Promise.all(Object.values(sites).map((site) => site.stop()));
  cdn?.stop();
});

const FLAG = "__mp_opt_in_out_demo";
// Privacy signals: header that the browser sends, and property that its pages see.
const SIGNALS = {
  dnt: ["DNT", () => Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" })],
  gpc: ["Sec-GPC", () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true })],
};

// Creates a visitor with these signals and cookies.
async function visitorWith(site, { signals = [], cookies = {} }) {
  const { context, page, leave } = await newVisitor(browser, site.url);
  await context.setExtraHTTPHeaders(Object.fromEntries(signals.map((signal) => [SIGNALS[signal][0], "1"])));
  for (const signal of signals) await context.addInitScript(SIGNALS[signal][1]);
  const list = Object.entries(cookies).map(([name, value]) => ({ name, value, url: site.url }));
  if (list.length > 0) await context.addCookies(list);
  const loads = [];
  page.on("request", (request) => request.url().endsWith("/mixpanel.js") && loads.push(request.url()));
  return { context, page, leave, loads };
}

const MATRIX = [
  ["no configuration", {}, true],
  ["no configuration", { cookies: { [FLAG]: "0" } }, false],
  ["no configuration", { cookies: { mp_optout: "1" } }, false],
  ["no configuration", { signals: ["dnt"] }, false],
  ["no configuration", { signals: ["gpc"] }, false],
  ["no configuration", { signals: ["dnt", "gpc"], cookies: { [FLAG]: "1" } }, true],
  ["opt-out by default", {}, false],
  ["opt-out by default", { cookies: { [FLAG]: "1" } }, true],
  ["DNT ignored", { signals: ["dnt"] }, true],
  ["DNT ignored", { signals: ["dnt", "gpc"] }, false],
  ["application rule", { signals: ["dnt", "gpc"], cookies: { rule: "yes" } }, true],
  ["application rule", { cookies: { rule: "yes", [FLAG]: "0" } }, true],
  ["application rule", { cookies: { rule: "no", [FLAG]: "1" } }, false],
  ["application rule", { cookies: { rule: "unknown" }, signals: ["dnt"] }, false],
];

for (const [name, visitor, isGranted] of MATRIX) {
  test(`page and server ${isGranted ? "track" : "do not track"} with ${name}: ${JSON.stringify(visitor)}`, async () => {
    const site = sites[name];
    await site.ignoreEarlier();
    const { context, page, leave, loads } = await visitorWith(site, visitor);
    await page.goto("/page", { waitUntil: "networkidle" });
    if (isGranted) {
      await page.waitForFunction(() => window.mengpaneel?.instance?.get_distinct_id);
      await site.waitForEvents(["View", "Own"], leave);
      return;
    }
    const state = await page.evaluate(() => [localStorage.length, sessionStorage.length, mixpanel.has_opted_out_tracking()]);
    assert.deepEqual(state, [0, 0, true]);
    assert.deepEqual((await context.cookies()).map(({ name }) => name).sort(), Object.keys(visitor.cookies ?? {}).sort());
    assert.deepEqual(loads, []);
    await leave();
    assert.deepEqual(await site.events(), []);
  });
}

test("server-side opt-in and opt-out apply to the next page", async () => {
  const site = sites["opt-out by default"];
  await site.ignoreEarlier();
  const { context, page, leave } = await visitorWith(site, { signals: ["dnt", "gpc"] });
  const flag = async () => (await context.cookies()).find(({ name }) => name === FLAG)?.value;
  await page.goto("/page");
  await Promise.all([page.waitForURL("**/page"), page.click("#in")]);
  await page.waitForFunction(() => window.mengpaneel?.instance?.get_distinct_id);
  assert.equal(await flag(), "1");
  await site.waitForEvents(["After", "View", "Own"]);
  await Promise.all([page.waitForURL("**/page"), page.click("#out")]);
  await page.waitForFunction(() => mixpanel.has_opted_out_tracking());
  assert.equal(await flag(), "0");
  const events = await site.waitForEvents(["After", "View", "Own", "Before"], leave);
  assert.equal(events.find(({ what }) => what === "Before").endpoint, "/import");
});

test("opt-in in the page applies to it and to the next page", async () => {
  const site = sites["opt-out by default"];
  await site.ignoreEarlier();
  const { page, leave } = await visitorWith(site, { signals: ["gpc"] });
  await page.goto("/page");
  await page.evaluate(() => {
    mixpanel.opt_in_tracking();
    mixpanel.track("In The Page");
  });
  await page.waitForFunction(() => mixpanel.persistence);
  await site.waitForEvents(["In The Page"]);
  await page.goto("/page");
  await site.waitForEvents(["In The Page", "View", "Own"], leave);
});
