// Flows of the blog in a real browser, for mixpanel-js and for the small library.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { start } from "./site.mjs";
import { launch, launchWithBackForwardCache, newVisitor, publishPost, serveJquery, signUp, waitForMixpanel } from "./visitor.mjs";

const named = (events, name) => events.filter(({ what }) => what === name);

const properties = (events, name, key) => named(events, name).map(({ details }) => details[key]);

// Registers the tests. `variables` returns the blog's environment. `library` is a pattern of the script's URL.
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

  beforeEach(() => blog.ignoreEarlier());

  test("sign-up, sign-out and sign-in keep one user and one device", async () => {
    const { page, leave } = await newVisitor(browser, blog.url);
    await page.goto("/");
    await waitForMixpanel(page);
    const email = await signUp(page);
    await waitForMixpanel(page);
    const id = await page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));
    await page.click("text=Sign out");
    await page.waitForURL("**/");
    await waitForMixpanel(page);
    await page.goto("/sign_in?return_to=/sign_up%3Fa=b");
    await page.fill('main [name="email"]', email);
    await page.click("main button");
    await page.waitForURL("**/sign_up?a=b");
    await waitForMixpanel(page);
    const expected = ["View Home", "Sign Up", "View Home", "Sign Out", "View Home", "Sign In"];
    const events = await blog.waitForEvents(expected, leave);
    assert.equal(named(events, "Sign Up")[0].details.Email, email);
    for (const name of ["Sign Up", "Sign Out", "Sign In"]) {
      assert.deepEqual(properties(events, name, "$user_id"), [id], name);
    }
    assert.equal(new Set(events.map(({ details }) => details.$device_id)).size, 1, "one device");
    const profiles = (await blog.entries()).filter(({ kind, details }) => kind === "profile" && details.$set);
    assert.ok(profiles.some(({ details }) => details.$set.$email === email));
    const notes = await blog.acceptedNotes();
    const strategiesOf = (event) => notes.filter(({ events }) => events.includes(event)).map(({ strategy }) => strategy);
    assert.deepEqual(strategiesOf("Sign Up"), ["delayed", "client_side"]);
    assert.deepEqual(strategiesOf("Sign Out"), ["delayed", "client_side"]);
  });

  test("posts count once by form, fetch, XMLHttpRequest and jQuery", async () => {
    const { context, page, leave } = await newVisitor(browser, blog.url);
    await serveJquery(context);
    await signUp(page);
    await publishPost(page, "</script><script>alert(1)</script>");
    await page.waitForURL("**/posts/*");
    await waitForMixpanel(page);
    await page.goto("/spa", { waitUntil: "load" });
    await waitForMixpanel(page);
    for (const method of ["fetch", "XMLHttpRequest", "jQuery"]) {
      await page.click(`text=Create post with ${method}`);
      await page.waitForFunction((method) => document.getElementById("answer").textContent.startsWith(`${method}\n201`), method);
    }
    const titles = ["</script><script>alert(1)</script>", "Created with fetch", "Created with XMLHttpRequest", "Created with jQuery"];
    const events = await blog.waitForEvents(["Sign Up", "View Home", "View Post", ...titles.map(() => "Create Blog Post")], leave);
    assert.deepEqual(properties(events, "Create Blog Post", "Title"), titles);
    const notes = (await blog.acceptedNotes()).filter(({ events }) => events.includes("Create Blog Post"));
    assert.deepEqual(
      notes.map(({ strategy }) => strategy),
      ["delayed", "client_side", "capable_client_side", "capable_client_side", "capable_client_side"],
    );
  });

  test("other AJAX requests count once", async () => {
    const { context, page, leave } = await newVisitor(browser, blog.url);
    await serveJquery(context);
    await page.goto("/spa", { waitUntil: "load" });
    await waitForMixpanel(page);
    const press = async (button, title, status) => {
      await page.click(`button:text-is("${button}")`);
      await page.waitForFunction((text) => document.getElementById("answer").textContent.startsWith(text), `${title}\n${status}`);
    };
    await press("Sign up", "Sign up", 201);
    await press("Create post with fetch", "fetch", 201);
    await press("View first post", "View post", 200);
    // The script does not follow the redirect, so the next page delivers the event.
    await press("Sign out", "Sign out", 0);
    await page.goto("/");
    await waitForMixpanel(page);
    const events = await blog.waitForEvents(["Sign Up", "Create Blog Post", "View Post", "Sign Out", "View Home"], leave);
    const [id] = properties(events, "Sign Up", "ID");
    assert.deepEqual(properties(events, "Create Blog Post", "$user_id"), [String(id)]);
  });

  test("server delivers events of downloads and streamed pages", async () => {
    const { page, leave } = await newVisitor(browser, blog.url);
    await signUp(page);
    await waitForMixpanel(page);
    const id = await page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));
    const download = page.waitForEvent("download");
    await page.click("text=Export");
    await (await download).path();
    await page.click("text=Feed");
    await page.waitForURL("**/feed");
    const events = await blog.waitForEvents(["Sign Up", "View Home", "Export Posts", "View Feed"], leave);
    for (const name of ["Export Posts", "View Feed"]) assert.deepEqual(properties(events, name, "$user_id"), [id], name);
  });

  test("payment belongs to the payer, not to the provider", async () => {
    const { page, leave } = await newVisitor(browser, blog.url);
    await signUp(page);
    await waitForMixpanel(page);
    const id = await page.evaluate(() => window.mengpaneel.instance.get_property("$user_id"));
    const response = await fetch(`${blog.url}/payments/notify`, {
      method: "POST",
      headers: { Authorization: `Basic ${btoa("payments:ftw")}` },
      body: new URLSearchParams({ status: "payment_complete", payment_id: id }),
    });
    assert.equal(await response.text(), "[accepted]");
    const events = await blog.waitForEvents(["Sign Up", "View Home", "Complete Payment"], leave);
    assert.deepEqual(properties(events, "Complete Payment", "$user_id"), [id]);
    assert.equal(properties(events, "Complete Payment", "$browser")[0], undefined, "the provider's client is not the payer's browser");
  });

  test("back and forward navigation repeats no event", async () => {
    const { page, leave } = await newVisitor(browser, blog.url);
    await signUp(page);
    await publishPost(page, "One");
    await page.waitForURL("**/posts/*");
    await waitForMixpanel(page);
    for (const go of ["goBack", "goForward", "goBack", "goForward"]) {
      await page[go]();
      await waitForMixpanel(page);
    }
    await blog.waitForEvents(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
  });

  test("page from the back-forward cache runs its calls once", async () => {
    const cachingBrowser = await launchWithBackForwardCache();
    const { page, leave } = await newVisitor(cachingBrowser, blog.url);
    await page.addInitScript(() => addEventListener("pageshow", ({ persisted }) => (window.isRestored = persisted)));
    await signUp(page);
    await waitForMixpanel(page);
    await page.evaluate(() => (window.isSameDocument = true));
    for (const _ of [1, 2]) {
      await page.goto("/sign_in");
      await waitForMixpanel(page);
      // Playwright's `goBack` waits for a load event, which a restored page does not have.
      await page.evaluate(() => setTimeout(() => history.back()));
      await page.waitForURL("**/", { waitUntil: "commit" });
      await page.waitForFunction(() => window.isSameDocument && window.isRestored);
    }
    await publishPost(page, "Kept");
    await page.waitForURL("**/posts/*");
    await waitForMixpanel(page);
    await blog.waitForEvents(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
    await cachingBrowser.close();
  });

  test("two tabs that load at once deliver delayed calls once", async () => {
    const { context, page, leave } = await newVisitor(browser, blog.url);
    await signUp(page);
    await waitForMixpanel(page);
    const other = await context.newPage();
    await page.fill('[name="title"]', "One");
    await Promise.all([page.click("text=Publish post"), other.goto("/sign_up")]);
    await page.waitForURL("**/posts/*");
    await Promise.all([waitForMixpanel(page), waitForMixpanel(other)]);
    await Promise.all([page.goto("/sign_up"), other.goto("/sign_in")]);
    await blog.waitForEvents(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
  });

  test("server delivers AJAX events if the library is blocked", async () => {
    const { context, page, leave } = await newVisitor(browser, blog.url);
    await serveJquery(context);
    await context.route(library, (route) => route.abort());
    await page.goto("/spa", { waitUntil: "load" });
    await page.click('button:text-is("Sign up")');
    await page.waitForFunction(() => document.getElementById("answer").textContent.startsWith("Sign up\n201"));
    for (const method of ["fetch", "XMLHttpRequest", "jQuery"]) {
      await page.click(`text=Create post with ${method}`);
      await page.waitForFunction((method) => document.getElementById("answer").textContent.startsWith(`${method}\n201`), method);
    }
    const expected = ["Sign Up", "Create Blog Post", "Create Blog Post", "Create Blog Post"];
    const events = await blog.waitForEvents(expected, leave);
    assert.deepEqual(new Set(events.map(({ endpoint }) => endpoint)), new Set(["/import"]));
  });

  test("double click counts each created post once", async () => {
    const { page, leave } = await newVisitor(browser, blog.url);
    await signUp(page);
    await waitForMixpanel(page);
    const createdPosts = async () => (await (await fetch(`${blog.url}/posts.csv`)).text()).match(/"Twice"/g)?.length ?? 0;
    await publishPost(page, "Twice", (button) => page.dblclick(button));
    // `waitForURL` would fail with the navigation that the second click cancels.
    await page.waitForFunction(() => location.pathname.startsWith("/posts/") && document.readyState === "complete");
    await waitForMixpanel(page);
    const posts = await createdPosts();
    const notes = await blog.acceptedNotes();
    const created = (strategy) => {
      const events = notes.filter((note) => note.strategy === strategy).flatMap(({ events }) => events);
      return events.filter((event) => event === "Create Blog Post").length;
    };
    // The second click cancels the first navigation. If the browser then drops the cookie of that redirect, its event
    // is in a fallback copy, which is due after five minutes.
    const inFallback = created("delayed") - created("client_side");
    assert.ok(created("client_side") > 0);
    await page.goto("/sign_up");
    await waitForMixpanel(page);
    const expected = [...Array(posts - inFallback).fill("Create Blog Post"), "View Post", "Sign Up", "View Home"];
    await blog.waitForEvents([...expected, "Export Posts"], leave);
  });

  for (const delay of [0, 10, 25, 50]) {
    test(`page left after ${delay} ms counts`, async () => {
      const { page, leave } = await newVisitor(browser, blog.url);
      await signUp(page);
      await waitForMixpanel(page);
      await publishPost(page, "Quick", (button) => page.click(button, { noWaitAfter: true }));
      await page.waitForURL("**/posts/*", { waitUntil: "commit" });
      // A visit counts from the moment when the browser has read the page's head.
      await page.waitForFunction(() => window.mengpaneel?.visit, null, { polling: 1 });
      await page.waitForTimeout(delay);
      await page.goto("/sign_in");
      await waitForMixpanel(page);
      await blog.waitForEvents(["Sign Up", "View Home", "Create Blog Post", "View Post"], leave);
    });
  }
}
