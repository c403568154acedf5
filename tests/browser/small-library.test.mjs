// The blog without access to Mixpanel's CDN: its pages load the stand-in's small library.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { start } from "./site.mjs";
import { testFlows } from "./blog-flows.mjs";
import { launch, newVisitor, publishPost, signUp, waitForMixpanel } from "./visitor.mjs";

// Nothing listens at this proxy, so that the blog cannot reach the CDN.
const OFFLINE = { HTTPS_PROXY: "http://127.0.0.1:9", MIXPANEL_LIB_URL: "" };

testFlows(() => OFFLINE, "**/mixpanel-small.js");

let browser, blog;

before(async () => {
  browser = await launch();
  blog = await start("blog", OFFLINE);
});

after(async () => {
  await browser?.close();
  await blog?.stop();
});

beforeEach(() => blog.ignoreEarlier());

// Takes the README's tour: sign up, create a post, view it, sign out. Asserts that each event arrives once and
// that no request leaves this machine.
async function takeTour(blog) {
  const { context, page, leave } = await newVisitor(browser, blog.url);
  const externalRequests = [];
  const localHost = new URL(blog.url).hostname;
  context.on("request", (request) => {
    if (new URL(request.url()).hostname !== localHost) externalRequests.push(request.url());
  });
  await signUp(page);
  await waitForMixpanel(page);
  await publishPost(page, "First");
  await page.waitForURL("**/posts/*");
  await waitForMixpanel(page);
  await page.click("form[action='/session/delete'] button");
  await page.waitForURL("**/");
  await waitForMixpanel(page);
  const expected = ["Sign Up", "View Home", "Create Blog Post", "View Post", "Sign Out", "View Home"];
  const events = await blog.waitForEvents(expected, leave);
  const users = new Set(events.map(({ details }) => details.$user_id));
  assert.deepEqual([...users], [String(events[0].details.ID)], "one user");
  assert.equal(new Set(events.map(({ details }) => details.$device_id)).size, 1, "one device");
  assert.ok(events.every(({ endpoint }) => endpoint === "/track"));
  const identified = (await blog.entries()).find(({ what }) => what === "$identify");
  assert.equal(identified.details.$anon_distinct_id, `$device:${events[0].details.$device_id}`);
  assert.deepEqual(externalRequests, []);
}

test("each event of the tour arrives once", () => takeTour(blog));

test("each event of the tour arrives once without sessions", async () => {
  const other = await start("blog", { ...OFFLINE, SESSION: "none" });
  await takeTour(other);
  await other.stop();
});

test("opt-out and opt-in work as in mixpanel-js", async () => {
  const { context, page, leave } = await newVisitor(browser, blog.url);
  await page.goto("/sign_up");
  await waitForMixpanel(page);
  await page.evaluate(() => window.mixpanel.opt_out_tracking());
  await page.evaluate(() => window.mixpanel.track("After Opt-Out"));
  const cookies = async () => (await context.cookies()).filter(({ name }) => /^(mp_|__mp)/.test(name));
  assert.deepEqual((await cookies()).map(({ name, value }) => [name, value]), [["__mp_opt_in_out_demo", "0"]]);
  await page.goto("/");
  // A visitor without consent gets a stub, which loads the library after an opt-in.
  await page.evaluate(() => window.mixpanel.opt_in_tracking());
  await page.waitForFunction(() => window.mixpanel.get_distinct_id?.());
  await page.evaluate(() => window.mixpanel.track("After Opt-In"));
  const events = await blog.waitForEvents(["After Opt-In"], leave);
  assert.match(events[0].details.distinct_id, /^\$device:/);
});

test("reset drops super properties and the device", async () => {
  const { page, leave } = await newVisitor(browser, blog.url);
  await page.goto("/sign_up");
  await waitForMixpanel(page);
  await page.evaluate(() => window.mixpanel.register({ Plan: "Pro" }));
  await page.evaluate(() => window.mixpanel.track("Before"));
  await page.evaluate(() => window.mixpanel.reset());
  await page.evaluate(() => window.mixpanel.track("After", { time: Date.now() + 1 }));
  const [before, after] = await blog.waitForEvents(["Before", "After"], leave);
  assert.deepEqual([before.details.Plan, after.details.Plan], ["Pro", undefined]);
  assert.notEqual(before.details.$device_id, after.details.$device_id);
});

test("profile operations wait for identify, groups do not", async () => {
  const { page, leave } = await newVisitor(browser, blog.url);
  await page.goto("/sign_up");
  await waitForMixpanel(page);
  await page.evaluate(() => {
    window.mixpanel.people.increment("Visits");
    window.mixpanel.people.union("Tags", "a");
    window.mixpanel.get_group("company", "acme").set("Size", 3);
    window.mixpanel.identify("7");
    window.mixpanel.alias("8");
    window.mixpanel.track("Done");
  });
  await blog.waitForEvents(["Done"], leave);
  const profiles = (await blog.entries()).filter(({ kind }) => kind === "profile").map(({ details }) => details);
  const known = profiles.filter(({ $distinct_id }) => $distinct_id === "7");
  assert.deepEqual(known.map(({ $add, $union }) => $add ?? $union).sort((a) => (a.Visits ? -1 : 1)), [{ Visits: 1 }, { Tags: ["a"] }]);
  const group = profiles.find(({ $group_key }) => $group_key === "company");
  assert.deepEqual([group.$group_id, group.$set], ["acme", { Size: 3 }]);
  const alias = (await blog.entries()).find(({ what }) => what === "$create_alias");
  assert.deepEqual([alias.details.alias, alias.details.distinct_id], ["8", "7"]);
});
