// The blog where Mixpanel's CDN cannot be reached: its pages load the stand-in's small library.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { start } from "./blog.mjs";
import { testFlows } from "./flows.mjs";
import { launch, signUp, tracks, visitor } from "./visitor.mjs";

// Nothing listens there, so that the blog cannot reach the CDN on any machine.
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

beforeEach(() => blog.forget());

// The page's library, in the page.
const library = (page, ask) => page.evaluate(ask);

// Sign up, write a post, view it, sign out.
async function takeTour(blog) {
  const { context, page, leave } = await visitor(browser, blog.url);
  const elsewhere = [];
  const local = new URL(blog.url).hostname;
  context.on("request", (request) => {
    if (new URL(request.url()).hostname !== local) elsewhere.push(request.url());
  });
  await signUp(page);
  await tracks(page);
  await page.fill('[name="title"]', "First");
  await page.click("main form[action='/posts'] button");
  await page.waitForURL("**/posts/*");
  await tracks(page);
  await page.click("form[action='/session/delete'] button");
  await page.waitForURL("**/");
  await tracks(page);
  const wanted = ["Sign Up", "View Home", "Create Blog Post", "View Post", "Sign Out", "View Home"];
  const events = await blog.await_events(wanted, leave);
  const users = new Set(events.map(({ details }) => details.$user_id));
  assert.deepEqual([...users], [String(events[0].details.ID)], "one user");
  assert.equal(new Set(events.map(({ details }) => details.$device_id)).size, 1, "one device");
  assert.ok(events.every(({ endpoint }) => endpoint === "/track"));
  const identified = (await blog.received()).find(({ what }) => what === "$identify");
  assert.equal(identified.details.$anon_distinct_id, `$device:${events[0].details.$device_id}`);
  assert.deepEqual(elsewhere, []);
}

test("offline, each event of the README's tour arrives once", () => takeTour(blog));

test("without sessions, each event of the tour arrives once", async () => {
  const other = await start("blog", { ...OFFLINE, SESSION: "none" });
  await takeTour(other);
  await other.stop();
});

test("the small library opts out and in as mixpanel-js does", async () => {
  const { context, page, leave } = await visitor(browser, blog.url);
  await page.goto("/sign_up");
  await tracks(page);
  await library(page, () => window.mixpanel.opt_out_tracking());
  await library(page, () => window.mixpanel.track("Silent"));
  const cookies = async () => (await context.cookies()).filter(({ name }) => /^(mp_|__mp)/.test(name));
  assert.deepEqual((await cookies()).map(({ name, value }) => [name, value]), [["__mp_opt_in_out_demo", "0"]]);
  await page.goto("/");
  // The page of a visitor without consent has a silent stub, which loads the library after an opt-in.
  await library(page, () => window.mixpanel.opt_in_tracking());
  await page.waitForFunction(() => window.mixpanel.get_distinct_id?.());
  await library(page, () => window.mixpanel.track("Heard"));
  const events = await blog.await_events(["Heard"], leave);
  assert.match(events[0].details.distinct_id, /^\$device:/);
});

test("reset drops super properties and the device", async () => {
  const { page, leave } = await visitor(browser, blog.url);
  await page.goto("/sign_up");
  await tracks(page);
  await library(page, () => window.mixpanel.register({ Plan: "Pro" }));
  await library(page, () => window.mixpanel.track("Before"));
  await library(page, () => window.mixpanel.reset());
  await library(page, () => window.mixpanel.track("After", { time: Date.now() + 1 }));
  const [before, after] = await blog.await_events(["Before", "After"], leave);
  assert.deepEqual([before.details.Plan, after.details.Plan], ["Pro", undefined]);
  assert.notEqual(before.details.$device_id, after.details.$device_id);
});

test("profiles wait for identify; groups have their own", async () => {
  const { page, leave } = await visitor(browser, blog.url);
  await page.goto("/sign_up");
  await tracks(page);
  await library(page, () => {
    window.mixpanel.people.increment("Visits");
    window.mixpanel.people.union("Tags", "a");
    window.mixpanel.get_group("company", "acme").set("Size", 3);
    window.mixpanel.identify("7");
    window.mixpanel.alias("8");
    window.mixpanel.track("Done");
  });
  await blog.await_events(["Done"], leave);
  const profiles = (await blog.received()).filter(({ kind }) => kind === "profile").map(({ details }) => details);
  const known = profiles.filter(({ $distinct_id }) => $distinct_id === "7");
  assert.deepEqual(known.map(({ $add, $union }) => $add ?? $union).sort((a) => (a.Visits ? -1 : 1)), [{ Visits: 1 }, { Tags: ["a"] }]);
  const group = profiles.find(({ $group_key }) => $group_key === "company");
  assert.deepEqual([group.$group_id, group.$set], ["acme", { Size: 3 }]);
  const alias = (await blog.received()).find(({ what }) => what === "$create_alias");
  assert.deepEqual([alias.details.alias, alias.details.distinct_id], ["8", "7"]);
});
