// Turbo, htmx and axios.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { start, startCdn } from "./site.mjs";
import { launch, newVisitor, waitForMixpanel } from "./visitor.mjs";

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

test("Turbo visits count once and do not initialise again", async () => {
  const { page, leave } = await newVisitor(browser, pages.url);
  await page.goto("/library/turbo/1");
  await waitForMixpanel(page);
  await page.evaluate(() => (window.firstInstance = window.mengpaneel.instance));
  // Turbo changes the URL before the page arrives.
  const waitForTitle = (title) => page.waitForFunction((title) => document.title === title, title);
  await page.click("text=next");
  await waitForTitle("2");
  await page.click("text=move");
  await waitForTitle("7");
  await page.goBack();
  await waitForTitle("2");
  await page.goForward();
  await waitForTitle("7");
  const isSame = await page.evaluate(() => window.firstInstance === window.mengpaneel.instance && window.firstInstance === window.mixpanel);
  assert.ok(isSame, "the instance of mixpanel-js must stay the same");
  // After a form Turbo has cleared its cache and fetches the second page again, which is a view. A page that
  // Turbo prefetched on hover but never showed is not a view.
  const expected = ["View Library", "View Library", "Moved", "View Library", "View Library"];
  const events = await pages.waitForEvents(expected, leave);
  assert.deepEqual(events.map(({ details }) => details.Number), [1, 2, undefined, 7, 2]);
});

test("page that Turbo prefetched on hover counts when shown", async () => {
  const { page, leave } = await newVisitor(browser, pages.url);
  await page.goto("/library/turbo/1");
  await waitForMixpanel(page);
  const prefetch = page.waitForRequest("**/turbo/2");
  await page.hover("text=next");
  await prefetch;
  await page.click("text=next");
  await page.waitForFunction(() => document.title === "2");
  const events = await pages.waitForEvents(["View Library", "View Library"], leave);
  assert.deepEqual(events.map(({ details }) => details.Number), [1, 2]);
});

for (const library of ["htmx", "htmx4"]) {
  test(`parts and boosted pages of ${library} count once`, async () => {
    const { page, leave } = await newVisitor(browser, pages.url);
    await page.goto(`/library/${library}/1`);
    await waitForMixpanel(page);
    await page.evaluate(() => (window.firstInstance = window.mengpaneel.instance));
    await page.click("#part");
    await page.waitForSelector("#here b");
    await page.click("#boosted");
    await page.waitForURL(`**/${library}/2`);
    await page.goBack();
    await page.waitForURL(`**/${library}/1`);
    assert.ok(await page.evaluate(() => window.firstInstance === window.mengpaneel.instance), "the instance of mixpanel-js must stay the same");
    const expected = ["View Library", "Part", "View Library"];
    const events = await pages.waitForCount(expected, leave);
    // htmx may fetch a page again that is not in its cache, which is a view.
    assert.ok(events.length <= 4 && events.slice(3).every(({ what }) => what === "View Library"), JSON.stringify(events));
  });
}

test("axios runs the calls of responses", async () => {
  const { page, leave } = await newVisitor(browser, pages.url);
  await page.goto("/library/axios/1");
  await waitForMixpanel(page);
  assert.equal(await page.evaluate(() => window.axios.post("/part").then(({ data }) => data)), "<b>done</b>");
  const events = await pages.waitForEvents(["View Library", "Part"], leave);
  assert.deepEqual(events.map(({ endpoint }) => endpoint), [BROWSER_ENDPOINT, BROWSER_ENDPOINT]);
});
