// Ways to load and show a page: service worker, stream, prerendering, and the back-forward cache.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { start, startCdn } from "./site.mjs";
import { launch, newVisitor, openWithoutAutomation, waitForMixpanel } from "./visitor.mjs";

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

beforeEach(() => pages.ignoreEarlier());

const BROWSER_ENDPOINT = "/track";

test("page fetched by a service worker runs its calls", async () => {
  const { page, leave } = await newVisitor(browser, pages.url);
  await page.goto("/installed");
  await waitForMixpanel(page);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  await page.goto("/installed");
  await waitForMixpanel(page);
  const events = await pages.waitForEvents(["View Installed", "View Installed"], leave);
  assert.deepEqual(events.map(({ endpoint }) => endpoint), [BROWSER_ENDPOINT, BROWSER_ENDPOINT]);
});

test("calls recorded while a page streams run in that page", async () => {
  const { page, leave } = await newVisitor(browser, pages.url);
  await page.goto("/streamed");
  await waitForMixpanel(page);
  const events = await pages.waitForEvents(["View Stream", "Late"], leave);
  assert.deepEqual(events.map(({ endpoint }) => endpoint), [BROWSER_ENDPOINT, BROWSER_ENDPOINT]);
  assert.equal(events[0].whom, events[1].whom);
});

test("prerendered page counts only when it is shown", async () => {
  const stop = await openWithoutAutomation(`${pages.url}/prerenders`);
  const events = await pages.waitForEvents(["Shown", "Activated"], stop);
  const [shown, activated] = ["Shown", "Activated"].map((name) => events.find(({ what }) => what === name));
  assert.equal(shown.endpoint, BROWSER_ENDPOINT);
  assert.ok(shown.at >= activated.time, `${shown.at} is before ${activated.time}`);
});

// Playwright disables the back-forward cache, so this browser runs without Playwright.
for (const [delay, time] of [[3000, "later"], [0, "at once"]]) {
  test(`restored page and page left ${time} each count once`, async () => {
    const stop = await openWithoutAutomation(`${pages.url}/leaves?after=${delay}`);
    const events = await pages.waitForEvents(["Leaves", "Comes Back", "Restored"], stop);
    for (const name of ["Leaves", "Comes Back"]) {
      assert.equal(events.find(({ what }) => what === name).endpoint, BROWSER_ENDPOINT, name);
    }
  });
}
