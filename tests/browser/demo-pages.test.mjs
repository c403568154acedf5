// Pages of the demo: accessibility and width on desktop and phone, and contents of the live page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { start } from "./site.mjs";
import { launch, newVisitor, publishPost, signUp, waitForMixpanel } from "./visitor.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");

let browser, blog;

before(async () => {
  browser = await launch();
  // The CDN is unreachable, so that the pages show a notice.
  blog = await start("blog", { HTTPS_PROXY: "http://127.0.0.1:9", MIXPANEL_LIB_URL: "" });
});

after(async () => {
  await browser?.close();
  await blog?.stop();
});

const PAGES = ["/", "/sign_up", "/sign_in", "/posts/1", "/feed", "/spa", "/plan", "/live", "/missing"];

// Asserts that a page meets WCAG 2 at levels A and AA, including contrast, and is not too wide.
async function assertAccessible(page, path) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  const messages = violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`));
  assert.deepEqual(messages, [], path);
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(excess <= 0, `${path} is ${excess} px too wide`);
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 360]) {
    test(`pages are accessible in ${colorScheme} mode at ${width} px`, async () => {
      const { page, leave } = await newVisitor(browser, blog.url);
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.goto("/");
      await assertAccessible(page, "/ signed out");
      await signUp(page);
      await publishPost(page, "Averylongwordwithoutanyspaceinit".repeat(5));
      await page.waitForURL("**/posts/*");
      await waitForMixpanel(page);
      for (const path of PAGES) {
        await page.goto(path);
        if (path === "/live") {
          await page.check("#note");
          await page.click("text=Delivery strategies");
          await page.waitForSelector(".event");
        }
        await assertAccessible(page, path);
      }
      await leave();
    });
  }
}

// Opens the live page with these entries instead of the stand-in's.
async function openLivePage(page, entries) {
  await page.clock.install({ time: new Date(100_000) });
  await page.route("**/live.json*", (route) => {
    const after = Number(new URL(route.request().url()).searchParams.get("after"));
    route.fulfill({ json: entries.map((entry, index) => [index + 1, entry]).slice(after) });
  });
  await page.goto("/live");
  await page.waitForFunction(() => document.getElementById("state").textContent !== "Loading…");
}

const note = (strategy, events, method = "GET", path = "/") => ({
  kind: "note",
  at: 90_000,
  note: { method, path, strategy, declined: null, calls: events.length, events },
});

const event = (via, what, details = {}) => ({
  kind: "event",
  endpoint: via === "browser" ? "/track" : "/import",
  via,
  at: 91_000,
  time: 90_500,
  what,
  whom: "1",
  insert_id: what,
  details,
});

const texts = (page, selector) => page.locator(selector).allTextContents();

// Names of the events in one list of pending events.
const pendingIn = (page, list) => texts(page, `#${list}-list .chip`);

test("live page lists pending events until they arrive", async () => {
  const { page, leave } = await newVisitor(browser, blog.url);
  const entries = [
    note("delayed", ["Sign Up"], "POST", "/users"),
    note("client_side", ["View Home"]),
    note("async_server_side", ["View Feed"], "GET", "/feed"),
  ];
  await openLivePage(page, entries);
  assert.deepEqual(await pendingIn(page, "page"), ["Sign Up"]);
  assert.deepEqual(await pendingIn(page, "browser"), ["View Home"]);
  assert.deepEqual(await pendingIn(page, "server"), ["View Feed"]);
  entries.push(event("server", "View Feed"), note("client_side", ["Sign Up"]), event("browser", "Sign Up"), event("browser", "View Home"));
  await page.clock.fastForward(1000);
  await page.waitForFunction(() => document.querySelectorAll(".event").length === 3);
  assert.deepEqual(await texts(page, ".pending li"), []);
  assert.deepEqual(await texts(page, ".event td:nth-child(4)"), ["client_side", "delayedclient_side", "async_server_side"]);
  await leave();
});

test("live page warns if mixpanel-js does not load", async () => {
  const { context, page, leave } = await newVisitor(browser, blog.url);
  await context.route("**/mixpanel-small.js", (route) => route.abort());
  await page.goto("/");
  const livePage = await context.newPage();
  await livePage.clock.install();
  await livePage.goto("/live");
  await livePage.waitForSelector("#browser-list li");
  const warning = livePage.locator("#overdue");
  assert.ok(!(await warning.isVisible()), "the events are not overdue yet");
  await livePage.clock.fastForward(20_000);
  await warning.waitFor({ state: "visible" });
  assert.match(await warning.textContent(), /View Home\. Possible causes: mixpanel-js did not load/);
  await assertAccessible(livePage, "/live with a warning");
  await leave();
});

test("live page explains why pages load the small library", async () => {
  const { page, leave } = await newVisitor(browser, blog.url);
  await page.goto("/live");
  const [text] = await texts(page, ".notice:not(#overdue)");
  assert.match(text, /small replacement for mixpanel-js, since the server cannot reach Mixpanel's CDN \(.*refused/);
  await leave();
});
