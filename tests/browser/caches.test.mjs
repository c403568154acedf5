// Pages from the browser's HTTP cache: back button, second tab, and another user.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { TIMEOUT, start, startCdn } from "./site.mjs";
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

// Delivery type of the page, as Chromium reports it.
const deliveryType = (page) => page.evaluate(() => performance.getEntriesByType("navigation")[0].deliveryType);

const userOf = (page) => page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));

// Returns true if the page's calls, which register `Kept`, ran since the last `unregisterKept`.
const hasRun = (page) => page.evaluate(() => window.mengpaneel.instance.get_property("Kept") !== undefined);

const unregisterKept = (page) => page.evaluate(() => window.mengpaneel.instance.unregister("Kept"));

// Sum that was added to the property `Views` of profiles.
async function addedViews() {
  const sums = (await pages.entries()).map(({ kind, details }) => (kind === "profile" && details.$add?.Views) || 0);
  return sums.reduce((sum, value) => sum + value, 0);
}

// Asserts that `Views` was incremented once, and closes the browser. Identifies a user on `page`, because
// mixpanel-js queues increments until then.
async function assertAddedOnce(page, leave) {
  if (page) await open(page, "/sign/Eve");
  const deadline = Date.now() + TIMEOUT;
  while ((await addedViews()) < 1 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  await leave();
  assert.equal(await addedViews(), 1);
}

const open = async (page, path) => {
  await page.goto(path);
  await waitForMixpanel(page);
};

for (const user of ["Ada", "nobody"]) {
  test(`back button repeats no call of a cached page for ${user}`, async () => {
    const { page, leave } = await newVisitor(browser, pages.url);
    await open(page, `/sign/${user}`);
    await open(page, "/kept/1");
    assert.ok(await hasRun(page));
    await unregisterKept(page);
    await open(page, "/policy");
    await page.goBack();
    await waitForMixpanel(page);
    assert.equal(await deliveryType(page), "cache");
    assert.ok(!(await hasRun(page)));
    await page.evaluate(() => window.mixpanel.track("From The Page"));
    await pages.waitForCount(["View Kept", "View Policy", "From The Page"]);
    await assertAddedOnce(page, leave);
    await pages.waitForEvents(["View Kept", "View Policy", "From The Page"]);
  });
}

test("second tab repeats no call of a cached page", async () => {
  const { context, page, leave } = await newVisitor(browser, pages.url);
  await open(page, "/kept/2");
  await unregisterKept(page);
  const second = await context.newPage();
  await open(second, "/kept/2");
  assert.equal(await deliveryType(second), "cache");
  assert.ok(!(await hasRun(second)));
  await assertAddedOnce(page, leave);
});

// Some applications clear the storage at sign-out.
for (const [condition, clear] of [
  ["", () => {}],
  [" that clears the storage", () => { localStorage.clear(); sessionStorage.clear(); }],
]) {
  test(`cached page identifies no user after a sign-out${condition}`, async () => {
    const { page, leave } = await newVisitor(browser, pages.url);
    await open(page, "/sign/Ada");
    await open(page, "/kept/3");
    assert.equal(await userOf(page), "Ada");
    await unregisterKept(page);
    await open(page, "/sign/nobody");
    await page.evaluate(clear);
    await open(page, "/kept/3");
    assert.equal(await deliveryType(page), "cache");
    assert.equal(await userOf(page), undefined);
    await open(page, "/sign/Bob");
    await open(page, "/kept/3");
    assert.equal(await deliveryType(page), "cache");
    assert.equal(await userOf(page), "Bob");
    assert.ok(!(await hasRun(page)));
    await assertAddedOnce(undefined, leave);
  });
}

test("cached file is revalidated after a sign-out", async () => {
  const { page, leave } = await newVisitor(browser, pages.url);
  await open(page, "/sign/Ada");
  await open(page, "/file");
  assert.equal(await userOf(page), "Ada");
  await open(page, "/sign/nobody");
  await open(page, "/file");
  assert.equal(await userOf(page), undefined);
  await open(page, "/sign/Bob");
  await open(page, "/file");
  assert.equal(await userOf(page), "Bob");
  const events = await pages.waitForEvents(["View File", "View File", "View File"], leave);
  assert.deepEqual(events.map(({ details }) => details.$user_id), ["Ada", undefined, "Bob"]);
});

test("cached page repeats no call without storage", async () => {
  const { context, page, leave } = await newVisitor(browser, pages.url);
  await context.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
    }
  });
  await open(page, "/kept/4");
  await unregisterKept(page);
  await open(page, "/policy");
  await page.goBack();
  await waitForMixpanel(page);
  assert.equal(await deliveryType(page), "cache");
  assert.ok(!(await hasRun(page)));
  await assertAddedOnce(page, leave);
});

test("prefetched page runs its calls when it is shown", async () => {
  const { page, leave } = await newVisitor(browser, pages.url);
  await open(page, "/prefetches");
  await page.click("text=next");
  await page.waitForURL("**/kept/9");
  await waitForMixpanel(page);
  assert.equal(await deliveryType(page), "navigational-prefetch");
  assert.ok(await hasRun(page));
  await pages.waitForEvents(["View Kept"], leave);
});

test("page left before mixpanel-js loads passes its calls on once", async () => {
  const { context, page, leave } = await newVisitor(browser, pages.url);
  // Blocks scripts that scripts insert, until the page is shown again. (A Playwright route would disable the cache.)
  await context.addInitScript(() => {
    if (performance.getEntriesByType("navigation")[0].type === "back_forward") return;
    if (location.pathname.startsWith("/sign")) return;
    Object.defineProperty(HTMLScriptElement.prototype, "src", { set() {} });
  });
  await page.goto("/kept/5");
  await page.goto("/policy");
  await page.goBack();
  await waitForMixpanel(page);
  assert.equal(await deliveryType(page), "cache");
  await pages.waitForCount(["View Kept", "View Policy"]);
  await assertAddedOnce(page, leave);
  await pages.waitForEvents(["View Kept", "View Policy"]);
});
