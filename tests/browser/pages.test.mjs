// What the blog has no page for: policies, streams, prerendering, and other people's libraries.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { start, startCdn } from "./blog.mjs";
import { alone, launch, tracks, visitor } from "./visitor.mjs";

let browser, cdn, pages;

before(async () => {
  [browser, cdn] = await Promise.all([launch(), startCdn()]);
  pages = await start("pages", { CDN: cdn.url });
});

after(async () => {
  await browser?.close();
  await pages?.stop();
  cdn?.stop();
});

beforeEach(() => pages.forget());

const BY_BROWSER = "/track";
const BY_SERVER = "/import";

// Whose way the event goes under these policies. CDN and API stand for the two hosts.
const POLICIES = [
  [{}, BY_BROWSER],
  [{ policy: "script-src 'self'" }, BY_SERVER],
  [{ policy: "default-src 'self'" }, BY_SERVER],
  [{ policy: "default-src 'none'; script-src 'nonce-abc'; connect-src API" }, BY_BROWSER],
  [{ policy: "script-src 'nonce-abc' 'strict-dynamic'; object-src 'none'; base-uri 'none'" }, BY_BROWSER],
  [{ policy: "script-src 'nonce-abc'; connect-src 'self'" }, BY_SERVER],
  [{ policy: "script-src 'unsafe-inline' CDN; connect-src API" }, BY_BROWSER],
  [{ policy: "script-src 'unsafe-inline' CDN/other/; connect-src API" }, BY_SERVER],
  [{ policy: "script-src 'unsafe-inline'" }, BY_SERVER],
  [{ policy: "script-src 'unsafe-inline' CDN; connect-src 'self'" }, BY_SERVER],
  [{ policy: "script-src 'unsafe-inline' 'nonce-abc'" }, BY_BROWSER],
  [{ policy: "script-src 'unsafe-inline' CDN 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='" }, BY_SERVER],
  [{ policy: "script-src 'none'; script-src-elem 'nonce-abc'" }, BY_BROWSER],
  [{ policy: "script-src-elem 'none'; script-src * 'unsafe-inline'" }, BY_SERVER],
  [{ policy: "script-src * 'unsafe-inline'" }, BY_BROWSER],
  [{ policy: "script-src 'nonce-abc'; require-trusted-types-for 'script'" }, BY_SERVER],
  [{ policy: "script-src 'nonce-abc'", second: "script-src 'self'" }, BY_SERVER],
  [{ policy: "script-src 'nonce-abc' 'nonce-def'", second: "script-src 'nonce-def'" }, BY_BROWSER],
  [{ policy: "script-src 'nonce-abc', script-src 'self'" }, BY_SERVER],
  [{ report_only: "default-src 'none'" }, BY_BROWSER],
  [{ meta: "script-src 'self'" }, BY_SERVER],
  [{ meta: "script-src 'nonce-abc'; connect-src API" }, BY_BROWSER],
  [{ policy: "script-src 'nonce-abc'", meta: "script-src 'nonce-abc'; connect-src 'none'" }, BY_SERVER],
  [{ policy: "sandbox" }, BY_SERVER],
  [{ policy: "sandbox allow-scripts" }, BY_SERVER],
  [{ policy: "sandbox allow-scripts allow-same-origin" }, BY_BROWSER],
  [{ meta: "sandbox" }, BY_BROWSER],
  [{ policy: "script-src 'nonce-ab==cd'" }, BY_SERVER],
  [{ policy: "script-src 'unsafe-inline' 'nonce-ab==cd' CDN" }, BY_SERVER],
  [{ policy: "script-src 'nonce-abcd=='; connect-src API" }, BY_BROWSER],
  [{ embedder: "require-corp" }, BY_SERVER],
  [{ embedder: "credentialless" }, BY_BROWSER],
  [{ isolation: "isolate-and-require-corp" }, BY_SERVER],
  [{ isolation: "isolate-and-credentialless" }, BY_BROWSER],
  [{ integrity: "blocked-destinations=(script)" }, BY_SERVER],
  [{ integrity: "blocked-destinations=(style)" }, BY_BROWSER],
];

// A visitor, and what policies kept their page from.
async function guarded() {
  const guest = await visitor(browser, pages.url);
  const blocked = [];
  await guest.context.exposeFunction("blocked", (what) => blocked.push(what));
  await guest.context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      if (event.disposition === "enforce") window.blocked(`${event.effectiveDirective} ${event.blockedURI}`);
    });
  });
  return { ...guest, blocked };
}

for (const [policies, way] of POLICIES) {
  const title = Object.entries(policies).map(([name, value]) => `${name} ${value}`).join(" and ") || "no policy";
  test(`nothing is lost and nothing is blocked under ${title}`, async () => {
    const { page, leave, blocked } = await guarded();
    const hosts = (value) => value.replaceAll("CDN", cdn.url).replaceAll("API", pages.mixpanel);
    const query = new URLSearchParams(Object.entries(policies).map(([name, value]) => [name, hosts(value)]));
    await page.goto(`/policy?${query}`);
    if (way === BY_BROWSER) await tracks(page);
    const [event] = await pages.await_events(["View Policy"], leave);
    assert.equal(event.endpoint, way);
    assert.deepEqual(blocked, []);
  });
}

// The policy that the guide gives to copy, and the script that the library serves.
const guide = readFileSync(fileURLToPath(new URL("../../mengpaneel/src/guide/privacy.md", import.meta.url)), "utf8");
const SAMPLE = guide.match(/^Content-Security-Policy: (.*)$/m)[1];
const WITHOUT_SELF = SAMPLE.replace("script-src 'self'", "script-src");

for (const [policy, nonce] of [[SAMPLE, ""], [SAMPLE, "abc"], [WITHOUT_SELF, "abc"]]) {
  test(`the guide's policy lets everything run: ${policy}, script tag with nonce "${nonce}"`, async () => {
    const { page, leave, blocked } = await guarded();
    const sent = policy.replace("…", "abc").replace("https://api-js.mixpanel.com", pages.mixpanel);
    await page.goto(`/policy?${new URLSearchParams({ policy: sent, script: nonce })}`);
    await tracks(page);
    // mengpaneel.js asks as a capable client and runs the calls of the response.
    await page.evaluate(() => fetch("/part", { method: "POST" }));
    const events = await pages.await_events(["View Policy", "Part"], leave);
    assert.deepEqual(events.map(({ endpoint }) => endpoint), [BY_BROWSER, BY_BROWSER]);
    assert.deepEqual(blocked, []);
  });
}

test("navigation through a service worker is a page", async () => {
  const { page, leave } = await visitor(browser, pages.url);
  await page.goto("/installed");
  await tracks(page);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await page.goto("/installed");
  await tracks(page);
  const events = await pages.await_events(["View Installed", "View Installed"], leave);
  assert.deepEqual(events.map(({ endpoint }) => endpoint), [BY_BROWSER, BY_BROWSER]);
});

test("what is recorded while a page flows is run by that page", async () => {
  const { page, leave } = await visitor(browser, pages.url);
  await page.goto("/streamed");
  await tracks(page);
  const events = await pages.await_events(["View Stream", "Late"], leave);
  assert.deepEqual(events.map(({ endpoint }) => endpoint), [BY_BROWSER, BY_BROWSER]);
  assert.equal(events[0].whom, events[1].whom);
});

test("Turbo's visits, forms and restored pages count once, and initialise nothing again", async () => {
  const { page, leave } = await visitor(browser, pages.url);
  await page.goto("/library/turbo/1");
  await tracks(page);
  await page.evaluate(() => (window.first = window.mengpaneel.instance));
  // Turbo changes the address before it has the page.
  const is_shown = (title) => page.waitForFunction((title) => document.title === title, title);
  await page.click("text=next");
  await is_shown("2");
  await page.click("text=move");
  await is_shown("7");
  await page.goBack();
  await is_shown("2");
  await page.goForward();
  await is_shown("7");
  const same = await page.evaluate(() => window.first === window.mengpaneel.instance && window.first === window.mixpanel);
  assert.ok(same, "one page, one mixpanel");
  // After a form Turbo has no page left and asks for the second anew, which is a view. What it fetched
  // because the pointer was over a link, and never showed, is none.
  const wanted = ["View Library", "View Library", "Moved", "View Library", "View Library"];
  const events = await pages.await_events(wanted, leave);
  assert.deepEqual(events.map(({ details }) => details.Number), [1, 2, undefined, 7, 2]);
});

test("what Turbo fetched because it was pointed at counts once it is shown", async () => {
  const { page, leave } = await visitor(browser, pages.url);
  await page.goto("/library/turbo/1");
  await tracks(page);
  const fetched = page.waitForRequest("**/turbo/2");
  await page.hover("text=next");
  await fetched;
  await page.click("text=next");
  await page.waitForFunction(() => document.title === "2");
  const events = await pages.await_events(["View Library", "View Library"], leave);
  assert.deepEqual(events.map(({ details }) => details.Number), [1, 2]);
});

for (const library of ["htmx", "htmx4"]) {
  test(`${library} has its parts and its boosted pages counted once`, async () => {
    const { page, leave } = await visitor(browser, pages.url);
    await page.goto(`/library/${library}/1`);
    await tracks(page);
    await page.evaluate(() => (window.first = window.mengpaneel.instance));
    await page.click("#part");
    await page.waitForSelector("#here b");
    await page.click("#boosted");
    await page.waitForURL(`**/${library}/2`);
    await page.goBack();
    await page.waitForURL(`**/${library}/1`);
    assert.ok(await page.evaluate(() => window.first === window.mengpaneel.instance), "one page, one mixpanel");
    const wanted = ["View Library", "Part", "View Library"];
    const got = await pages.await_at_least(wanted, leave);
    // htmx may ask for a page again that it has not kept: that is a view.
    assert.ok(got.length <= 4 && got.slice(3).every(({ what }) => what === "View Library"), JSON.stringify(got));
  });
}

test("axios carries calls back", async () => {
  const { page, leave } = await visitor(browser, pages.url);
  await page.goto("/library/axios/1");
  await tracks(page);
  assert.equal(await page.evaluate(() => window.axios.post("/part").then(({ data }) => data)), "<b>done</b>");
  const events = await pages.await_events(["View Library", "Part"], leave);
  assert.deepEqual(events.map(({ endpoint }) => endpoint), [BY_BROWSER, BY_BROWSER]);
});

test("a page that is prerendered counts when it is shown, and not before", async () => {
  const stop = await alone(`${pages.url}/prerenders`);
  const events = await pages.await_events(["Shown", "Activated"], stop);
  const [shown, activated] = ["Shown", "Activated"].map((name) => events.find(({ what }) => what === name));
  assert.equal(shown.endpoint, BY_BROWSER);
  assert.ok(shown.at >= activated.time, `${shown.at} is before ${activated.time}`);
});

// By a browser that nobody steers: steered ones keep no page.
for (const [after, how] of [[3000, "after a while"], [0, "at once"]]) {
  test(`a page that is shown again as it was counts once, and the one that went back ${how} counts too`, async () => {
    const stop = await alone(`${pages.url}/leaves?after=${after}`);
    const events = await pages.await_events(["Leaves", "Comes Back", "Restored"], stop);
    for (const name of ["Leaves", "Comes Back"]) {
      assert.equal(events.find(({ what }) => what === name).endpoint, BY_BROWSER, name);
    }
  });
}
