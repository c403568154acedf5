// The demo's pages as people see them: contrast and accessibility, on a desk and on a phone, and what the
// live page says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { start } from "./blog.mjs";
import { launch, signUp, tracks, visitor } from "./visitor.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");

let browser, blog;

before(async () => {
  browser = await launch();
  // The CDN cannot be reached: notices are there to be looked at too.
  blog = await start("blog", { HTTPS_PROXY: "http://127.0.0.1:9", MIXPANEL_LIB_URL: "" });
});

after(async () => {
  await browser?.close();
  await blog?.stop();
});

const PAGES = ["/", "/sign_up", "/sign_in", "/posts/1", "/feed", "/spa", "/plan", "/live", "/missing"];

// Fails on each violation of WCAG 2 at levels A and AA, contrast included, and on a page that is too wide.
async function assertReadable(page, path) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`));
  assert.deepEqual(found, [], path);
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(excess <= 0, `${path} is ${excess} px too wide`);
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 360]) {
    test(`pages are readable in a ${colorScheme} scheme at ${width} px`, async () => {
      const { page, leave } = await visitor(browser, blog.url);
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      await page.goto("/");
      await assertReadable(page, "/ signed out");
      await signUp(page);
      await page.fill('[name="title"]', "Averylongwordwithoutanyspaceinit".repeat(5));
      await page.click("text=Write");
      await page.waitForURL("**/posts/*");
      await tracks(page);
      for (const path of PAGES) {
        await page.goto(path);
        if (path === "/live") {
          await page.check("#note");
          await page.click("text=Strategies that deliver events");
          await page.waitForSelector(".event");
        }
        await assertReadable(page, path);
      }
      await leave();
    });
  }
}

// The live page with these entries in the place of what arrived.
async function live(page, entries) {
  await page.clock.install({ time: new Date(100_000) });
  await page.route("**/live.json*", (route) => {
    const after = Number(new URL(route.request().url()).searchParams.get("after"));
    route.fulfill({ json: entries.map((entry, place) => [place + 1, entry]).slice(after) });
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

// Events that wait there, without their ages.
const waiting = (page, place) => texts(page, `#${place}-list .chip`);

test("the live page shows where events wait, until they arrive", async () => {
  const { page, leave } = await visitor(browser, blog.url);
  const entries = [
    note("delayed", ["Sign Up"], "POST", "/users"),
    note("client_side", ["View Home"]),
    note("async_server_side", ["View Feed"], "GET", "/feed"),
  ];
  await live(page, entries);
  assert.deepEqual(await waiting(page, "page"), ["Sign Up"]);
  assert.deepEqual(await waiting(page, "browser"), ["View Home"]);
  assert.deepEqual(await waiting(page, "server"), ["View Feed"]);
  entries.push(event("server", "View Feed"), note("client_side", ["Sign Up"]), event("browser", "Sign Up"), event("browser", "View Home"));
  await page.clock.fastForward(1000);
  await page.waitForFunction(() => document.querySelectorAll(".event").length === 3);
  assert.deepEqual(await texts(page, ".pending li"), []);
  assert.deepEqual(await texts(page, ".event td:nth-child(4)"), ["client_side", "delayedclient_side", "async_server_side"]);
  await leave();
});

test("the live page says that mixpanel-js did not load", async () => {
  const { context, page, leave } = await visitor(browser, blog.url);
  await context.route("**/mixpanel-small.js", (route) => route.abort());
  await page.goto("/");
  const watching = await context.newPage();
  await watching.clock.install();
  await watching.goto("/live");
  await watching.waitForSelector("#browser-list li");
  const silent = watching.locator("#silent");
  assert.ok(!(await silent.isVisible()), "there is time left");
  await watching.clock.fastForward(20_000);
  await silent.waitFor({ state: "visible" });
  assert.match(await silent.textContent(), /View Home\. Either mixpanel-js did not load there/);
  await assertReadable(watching, "/live with a warning");
  await leave();
});

test("the live page says which library pages load, and why", async () => {
  const { page, leave } = await visitor(browser, blog.url);
  await page.goto("/live");
  const [text] = await texts(page, ".notice:not(#silent)");
  assert.match(text, /small replacement for mixpanel-js, since the server cannot reach Mixpanel's CDN \(.*refused/);
  await leave();
});
