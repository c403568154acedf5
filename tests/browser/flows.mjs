// Every flow of the blog, by people with a real browser, whichever library its pages load.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { start } from "./blog.mjs";
import { launch, launchKeeping, signUp, tracks, visitor, withJquery } from "./visitor.mjs";

const of = (events, name) => events.filter(({ what }) => what === name);

const properties = (events, name, key) => of(events, name).map(({ details }) => details[key]);

// Registers the tests. `variables` gives the blog's environment, `library` a pattern of the script's URL.
export function testFlows(variables, library) {
  let browser, blog;

  before(async () => {
    browser = await launch();
    blog = await start("blog", await variables());
  });

  after(async () => {
    await browser?.close();
    await blog?.stop();
  });

  beforeEach(() => blog.forget());

  test("who signs up, out and in again is the same person to Mixpanel", async () => {
    const { page, leave } = await visitor(browser, blog.url);
    await page.goto("/");
    await tracks(page);
    const email = await signUp(page);
    await tracks(page);
    const id = await page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));
    await page.click("text=Sign out");
    await page.waitForURL("**/");
    await tracks(page);
    await page.goto("/sign_in?return_to=/sign_up%3Fa=b");
    await page.fill('main [name="email"]', email);
    await page.click("main button");
    await page.waitForURL("**/sign_up?a=b");
    await tracks(page);
    const wanted = ["View Home", "Sign Up", "View Home", "Sign Out", "View Home", "Sign In"];
    const events = await blog.await_events(wanted, leave);
    assert.equal(of(events, "Sign Up")[0].details.Email, email);
    for (const name of ["Sign Up", "Sign Out", "Sign In"]) {
      assert.deepEqual(properties(events, name, "$user_id"), [id], name);
    }
    assert.equal(new Set(events.map(({ details }) => details.$device_id)).size, 1, "one device");
    const profiles = (await blog.received()).filter(({ kind, details }) => kind === "profile" && details.$set);
    assert.ok(profiles.some(({ details }) => details.$set.$email === email));
    const strategies = await blog.strategies();
    const leftBy = (event) => strategies.filter(({ events }) => events.includes(event)).map(({ strategy }) => strategy);
    assert.deepEqual(leftBy("Sign Up"), ["delayed", "client_side"]);
    assert.deepEqual(leftBy("Sign Out"), ["delayed", "client_side"]);
  });

  test("posts are counted once by form, fetch, XMLHttpRequest and jQuery", async () => {
    const { context, page, leave } = await visitor(browser, blog.url);
    await withJquery(context);
    await signUp(page);
    await page.fill('[name="title"]', "</script><script>alert(1)</script>");
    await page.click("text=Write");
    await page.waitForURL("**/posts/*");
    await tracks(page);
    await page.goto("/spa", { waitUntil: "load" });
    await tracks(page);
    for (const way of ["fetch", "XMLHttpRequest", "jQuery"]) {
      await page.click(`text=Write a post by ${way}`);
      await page.waitForFunction((way) => document.getElementById("answer").textContent.startsWith(`${way}\n201`), way);
    }
    const titles = ["</script><script>alert(1)</script>", "Written by fetch", "Written by XMLHttpRequest", "Written by jQuery"];
    const events = await blog.await_events(["Sign Up", "View Home", "View Post", ...titles.map(() => "Create Blog Post")], leave);
    assert.deepEqual(properties(events, "Create Blog Post", "Title"), titles);
    const ways = (await blog.strategies()).filter(({ events }) => events.includes("Create Blog Post"));
    assert.deepEqual(
      ways.map(({ strategy }) => strategy),
      ["delayed", "client_side", "capable_client_side", "capable_client_side", "capable_client_side"],
    );
  });

  test("on a page of scripts, everything else is counted once too", async () => {
    const { context, page, leave } = await visitor(browser, blog.url);
    await withJquery(context);
    await page.goto("/spa", { waitUntil: "load" });
    await tracks(page);
    const press = async (button, title, status) => {
      await page.click(`button:text-is("${button}")`);
      await page.waitForFunction((text) => document.getElementById("answer").textContent.startsWith(text), `${title}\n${status}`);
    };
    await press("Sign up", "sign up", 201);
    await press("Write a post by fetch", "fetch", 201);
    await press("Read the first post", "read", 200);
    // A redirect that the script does not follow: what happened waits for the next page.
    await press("Sign out", "sign out", 0);
    await page.goto("/");
    await tracks(page);
    const events = await blog.await_events(["Sign Up", "Create Blog Post", "View Post", "Sign Out", "View Home"], leave);
    const [id] = properties(events, "Sign Up", "ID");
    assert.deepEqual(properties(events, "Create Blog Post", "$user_id"), [String(id)]);
  });

  test("files and streamed pages are counted by the server", async () => {
    const { page, leave } = await visitor(browser, blog.url);
    await signUp(page);
    await tracks(page);
    const id = await page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));
    const download = page.waitForEvent("download");
    await page.click("text=Export");
    await (await download).path();
    await page.click("text=Feed");
    await page.waitForURL("**/feed");
    const events = await blog.await_events(["Sign Up", "View Home", "Export Posts", "View Feed"], leave);
    for (const name of ["Export Posts", "View Feed"]) assert.deepEqual(properties(events, name, "$user_id"), [id], name);
  });

  test("a payment is its payer's, whoever reports it", async () => {
    const { page, leave } = await visitor(browser, blog.url);
    await signUp(page);
    await tracks(page);
    const id = await page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));
    const answer = await fetch(`${blog.url}/payments/notify`, {
      method: "POST",
      headers: { Authorization: `Basic ${btoa("payments:ftw")}` },
      body: new URLSearchParams({ status: "payment_complete", payment_id: id }),
    });
    assert.equal(await answer.text(), "[accepted]");
    const events = await blog.await_events(["Sign Up", "View Home", "Complete Payment"], leave);
    assert.deepEqual(properties(events, "Complete Payment", "$user_id"), [id]);
    assert.equal(properties(events, "Complete Payment", "$browser")[0], undefined, "the provider's machine is not the payer's");
  });

  test("going back and forward counts a page that is shown again at most once more", async () => {
    const { page, leave } = await visitor(browser, blog.url);
    await signUp(page);
    await page.fill('[name="title"]', "One");
    await page.click("text=Write");
    await page.waitForURL("**/posts/*");
    await tracks(page);
    for (const go of ["goBack", "goForward", "goBack", "goForward"]) {
      await page[go]();
      await tracks(page);
    }
    await blog.await_events(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
  });

  test("a page that the browser kept and shows again makes its calls once", async () => {
    const keeping = await launchKeeping();
    const { page, leave } = await visitor(keeping, blog.url);
    await page.addInitScript(() => addEventListener("pageshow", ({ persisted }) => (window.isShownAgain = persisted)));
    await signUp(page);
    await tracks(page);
    await page.evaluate(() => (window.isTheSame = true));
    for (const _ of [1, 2]) {
      await page.goto("/sign_in");
      await tracks(page);
      // The driver waits for a page that loads; this one is there already.
      await page.evaluate(() => setTimeout(() => history.back()));
      await page.waitForURL("**/", { waitUntil: "commit" });
      await page.waitForFunction(() => window.isTheSame && window.isShownAgain);
    }
    await page.fill('[name="title"]', "Kept");
    await page.click("text=Write");
    await page.waitForURL("**/posts/*");
    await tracks(page);
    await blog.await_events(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
    await keeping.close();
  });

  test("two tabs that load at once count what happened before once", async () => {
    const { context, page, leave } = await visitor(browser, blog.url);
    await signUp(page);
    await tracks(page);
    const other = await context.newPage();
    await page.fill('[name="title"]', "One");
    await Promise.all([page.click("text=Write"), other.goto("/sign_up")]);
    await page.waitForURL("**/posts/*");
    await Promise.all([tracks(page), tracks(other)]);
    await Promise.all([page.goto("/sign_up"), other.goto("/sign_in")]);
    await blog.await_events(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
  });

  test("with the library blocked nothing breaks, and what scripts ask for is counted by the server", async () => {
    const { context, page, leave } = await visitor(browser, blog.url);
    await withJquery(context);
    await context.route(library, (route) => route.abort());
    await page.goto("/spa", { waitUntil: "load" });
    await page.click('button:text-is("Sign up")');
    await page.waitForFunction(() => document.getElementById("answer").textContent.startsWith("sign up\n201"));
    for (const way of ["fetch", "XMLHttpRequest", "jQuery"]) {
      await page.click(`text=Write a post by ${way}`);
      await page.waitForFunction((way) => document.getElementById("answer").textContent.startsWith(`${way}\n201`), way);
    }
    const wanted = ["Sign Up", "Create Blog Post", "Create Blog Post", "Create Blog Post"];
    const events = await blog.await_events(wanted, leave);
    assert.deepEqual(new Set(events.map(({ endpoint }) => endpoint)), new Set(["/import"]));
  });

  test("a click too many counts each post that was written once", async () => {
    const { page, leave } = await visitor(browser, blog.url);
    await signUp(page);
    await tracks(page);
    const written = async () => (await (await fetch(`${blog.url}/posts.csv`)).text()).match(/"Twice"/g)?.length ?? 0;
    await page.fill('[name="title"]', "Twice");
    await page.dblclick("text=Write");
    await page.waitForURL("**/posts/*");
    await tracks(page);
    const posts = await written();
    await page.goto("/sign_up");
    await tracks(page);
    const wanted = [...Array(posts).fill("Create Blog Post"), "View Post", "Sign Up", "View Home"];
    await blog.await_events([...wanted, "Export Posts"], leave);
  });

  for (const patience of [0, 10, 25, 50]) {
    test(`who leaves a page after ${patience} ms has been there`, async () => {
      const { page, leave } = await visitor(browser, blog.url);
      await signUp(page);
      await tracks(page);
      await page.fill('[name="title"]', "Quick");
      await page.click("text=Write", { noWaitAfter: true });
      await page.waitForURL("**/posts/*", { waitUntil: "commit" });
      // Who leaves before the head was read has not been there.
      await page.waitForFunction(() => window.mengpaneel?.visit, null, { polling: 1 });
      await page.waitForTimeout(patience);
      await page.goto("/sign_in");
      await tracks(page);
      await blog.await_events(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
    });
  }
}
