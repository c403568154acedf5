// Pages that come from the browser's cache: by the back button, in a second tab, for somebody else.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { DEADLINE, start, startCdn } from "./blog.mjs";
import { launch, tracks, visitor } from "./visitor.mjs";

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

// How the page came, as Chromium tells it.
const cameFrom = (page) => page.evaluate(() => performance.getEntriesByType("navigation")[0].deliveryType);

const userOf = (page) => page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));

// The page's calls register `Kept`. Gives whether they ran since that was taken back.
const ranAgain = (page) => page.evaluate(() => window.mengpaneel.instance.get_property("Kept") !== undefined);

const takeBack = (page) => page.evaluate(() => window.mengpaneel.instance.unregister("Kept"));

// How much was added to the property `Views` of profiles.
async function added() {
  const sums = (await pages.received()).map(({ kind, details }) => (kind === "profile" && details.$add?.Views) || 0);
  return sums.reduce((sum, value) => sum + value, 0);
}

// mixpanel-js keeps what is added for nobody until somebody is identified. Lets the browser go.
async function addedOnce(page, leave) {
  if (page) await open(page, "/sign/Eve");
  const until = Date.now() + DEADLINE;
  while ((await added()) < 1 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  await leave();
  assert.equal(await added(), 1);
}

const open = async (page, path) => {
  await page.goto(path);
  await tracks(page);
};

for (const user of ["Ada", "nobody"]) {
  test(`the back button repeats no call of a cached page, for ${user}`, async () => {
    const { page, leave } = await visitor(browser, pages.url);
    await open(page, `/sign/${user}`);
    await open(page, "/kept/1");
    assert.ok(await ranAgain(page));
    await takeBack(page);
    await open(page, "/policy");
    await page.goBack();
    await tracks(page);
    assert.equal(await cameFrom(page), "cache");
    assert.ok(!(await ranAgain(page)));
    await page.evaluate(() => window.mixpanel.track("By The Page"));
    await pages.await_at_least(["View Kept", "View Policy", "By The Page"]);
    await addedOnce(page, leave);
    await pages.await_events(["View Kept", "View Policy", "By The Page"]);
  });
}

test("a second tab repeats no call of a cached page", async () => {
  const { context, page, leave } = await visitor(browser, pages.url);
  await open(page, "/kept/2");
  await takeBack(page);
  const second = await context.newPage();
  await open(second, "/kept/2");
  assert.equal(await cameFrom(second), "cache");
  assert.ok(!(await ranAgain(second)));
  await addedOnce(page, leave);
});

// Applications empty the storage when somebody signs out.
for (const [how, forget] of [
  ["", () => {}],
  [" that emptied the storage", () => { localStorage.clear(); sessionStorage.clear(); }],
]) {
  test(`a cached page identifies nobody after a sign-out${how}`, async () => {
    const { page, leave } = await visitor(browser, pages.url);
    await open(page, "/sign/Ada");
    await open(page, "/kept/3");
    assert.equal(await userOf(page), "Ada");
    await takeBack(page);
    await open(page, "/sign/nobody");
    await page.evaluate(forget);
    await open(page, "/kept/3");
    assert.equal(await cameFrom(page), "cache");
    assert.equal(await userOf(page), undefined);
    await open(page, "/sign/Bob");
    await open(page, "/kept/3");
    assert.equal(await cameFrom(page), "cache");
    assert.equal(await userOf(page), "Bob");
    assert.ok(!(await ranAgain(page)));
    await addedOnce(undefined, leave);
  });
}

test("a file is asked for anew after a sign-out", async () => {
  const { page, leave } = await visitor(browser, pages.url);
  await open(page, "/sign/Ada");
  await open(page, "/file");
  assert.equal(await userOf(page), "Ada");
  await open(page, "/sign/nobody");
  await open(page, "/file");
  assert.equal(await userOf(page), undefined);
  await open(page, "/sign/Bob");
  await open(page, "/file");
  assert.equal(await userOf(page), "Bob");
  const events = await pages.await_events(["View File", "View File", "View File"], leave);
  assert.deepEqual(events.map(({ details }) => details.$user_id), ["Ada", undefined, "Bob"]);
});

test("a cached page repeats nothing where the browser refuses every storage", async () => {
  const { context, page, leave } = await visitor(browser, pages.url);
  await context.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(window, name, { get() { throw new DOMException("refused", "SecurityError"); } });
    }
  });
  await open(page, "/kept/4");
  await takeBack(page);
  await open(page, "/policy");
  await page.goBack();
  await tracks(page);
  assert.equal(await cameFrom(page), "cache");
  assert.ok(!(await ranAgain(page)));
  await addedOnce(page, leave);
});

test("a page that was fetched ahead runs its calls when it is first shown", async () => {
  const { page, leave } = await visitor(browser, pages.url);
  await open(page, "/prefetches");
  await page.click("text=next");
  await page.waitForURL("**/kept/9");
  await tracks(page);
  assert.equal(await cameFrom(page), "navigational-prefetch");
  assert.ok(await ranAgain(page));
  await pages.await_events(["View Kept"], leave);
});

test("a page that is left before mixpanel-js is there hands its calls on once", async () => {
  const { context, page, leave } = await visitor(browser, pages.url);
  // No script that a script asks for comes, until the page is shown again. (A route would empty the cache.)
  await context.addInitScript(() => {
    if (performance.getEntriesByType("navigation")[0].type === "back_forward") return;
    if (location.pathname.startsWith("/sign")) return;
    Object.defineProperty(HTMLScriptElement.prototype, "src", { set() {} });
  });
  await page.goto("/kept/5");
  await page.goto("/policy");
  await page.goBack();
  await tracks(page);
  assert.equal(await cameFrom(page), "cache");
  await pages.await_at_least(["View Kept", "View Policy"]);
  await addedOnce(page, leave);
  await pages.await_events(["View Kept", "View Policy"]);
});
