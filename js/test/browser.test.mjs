// Snippets of the server in a real browser with the real mixpanel-js.
// Needs Chromium at /usr/bin/chromium, or at the path in CHROMIUM.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const snippet = (name) => read(`../../mengpaneel/src/browser/snippet/pages/${name}.html`);
const library = read("../node_modules/mixpanel-browser/dist/mixpanel.min.js");
const officialSnippet = read("../node_modules/mixpanel-browser/dist/mixpanel-jslib-snippet.min.js");
const script = read("../mengpaneel.js");

const html = (head, body = "") => `<!DOCTYPE html><html><head>${head}</head><body>${body}</body></html>`;
const OTHER = `<script>MIXPANEL_CUSTOM_LIB_URL = "/mixpanel.js";</script><script>${officialSnippet}</script>`;
const initOther = (token = "OTHER") =>
  `<script>mixpanel.init("${token}", {api_host: "/mp", api_payload_format: "json", batch_requests: false});
  mixpanel.track("Other Event");</script>`;

const CALLS = JSON.stringify([[["track"], ["From Header"]]]);
const pages = {
  "/sign_up": html(snippet("sign_up")),
  "/same_view": html(snippet("sign_up"), `<script>mixpanel.track("From The Page")</script>${snippet("late")}`),
  "/named": html(snippet("sign_up"), "<img name=prerendering>"),
  "/sign_out": html(snippet("sign_out")),
  "/stubbed": html(`<script>addEventListener = null;</script>${snippet("sign_up")}`),
  "/billing": html(snippet("billing")),
  "/loader_only": html(snippet("loader_only"), '<script>mixpanel.track("From The Page")</script>'),
  "/other_before": html(OTHER + initOther() + snippet("sign_up")),
  "/other_after": html(snippet("sign_up") + OTHER + initOther()),
  "/other_loaded": html(`${OTHER}${initOther()}<script src="/mixpanel.js"></script>${snippet("sign_up")}`),
  "/same": html(OTHER + initOther("T") + snippet("sign_up")),
  "/nonce": html(snippet("nonce")),
  "/late": html(snippet("loader_only"), `<p>Hello</p>${snippet("late")}`),
  "/late_loaded": html(snippet("loader_only"), `<script src="/slow.js"></script>${snippet("late")}`),
  "/never": html(
    snippet("never") + '<script src="/mengpaneel.js"></script>',
    `${OTHER}${initOther("T")}<script>mixpanel.push(function () { mengpaneel.start(this); });</script>`,
  ),
  "/ajax": html(`${snippet("loader_only")}<script src="/mengpaneel.js"></script>`),
  "/blocked": html(snippet("loader_only").replace("/mixpanel.js", "/gone.js") + '<script src="/mengpaneel.js"></script>'),
};

// Replaces the page view's ID, which the server generates for each response, in all snippets of a page.
const VIEW_ID = /"[0-9a-f]{32}"/g;
const withNewViewId = (page) => page.replace(VIEW_ID, `"${crypto.randomUUID().replaceAll("-", "")}"`);

let server, browser, origin;
const apiRequests = [];

before(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const js = { "/mixpanel.js": library, "/mengpaneel.js": script, "/slow.js": "" }[pathname];
    if (js !== undefined) {
      response.setHeader("Content-Type", "text/javascript");
      // Long enough for mixpanel-js, requested earlier, to load and run.
      if (pathname === "/slow.js") setTimeout(() => response.end(js), 500);
      else response.end(js);
    } else if (pathname === "/api") {
      apiRequests.push(request.headers);
      response.setHeader("X-Mengpaneel-Calls", CALLS);
      response.end("{}");
    } else if (pages[pathname]) {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      if (pathname === "/nonce") {
        response.setHeader("Content-Security-Policy", "script-src 'nonce-n0nce'");
      }
      response.end(pathname === "/same_view" ? pages[pathname] : withNewViewId(pages[pathname]));
    } else {
      response.statusCode = pathname.startsWith("/mp/") ? 200 : 404;
      response.end("1");
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(async () => {
  await browser?.close();
  server?.close();
});

// Opens a page in the context of a new visitor, or in `context`. Returns the messages of mixpanel-js, in order,
// once there are `count` of them.
async function visit(path, count, act = async () => {}, context = undefined) {
  // mixpanel-js ignores the user agents of headless browsers.
  const visitor = context ?? (await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0 Safari/537.36" }));
  const page = await visitor.newPage();
  const sent = [];
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const complete = new Promise((resolve) => {
    page.on("request", (request) => {
      if (request.url().includes("/mp/")) {
        const message = JSON.parse(new URLSearchParams(request.postData()).get("data"));
        // mixpanel-js itself sends `$set_once` with the initial referrer.
        if (!message.$set_once) sent.push(message);
      }
      if (sent.length >= count) resolve();
    });
    if (count === 0) resolve();
  });
  await page.goto(origin + path, { waitUntil: "load" });
  await act(page);
  await Promise.race([
    complete,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`timeout; sent only ${JSON.stringify(sent)}`)), 10_000).unref()),
  ]);
  await page.waitForLoadState("networkidle");
  assert.deepEqual(errors, []);
  await page.close();
  if (!context) await visitor.close();
  return sent;
}

// Describes a message by its token and its event or operation, for example "T Sign Up".
function describe(message) {
  if (message.event) return `${message.properties.token} ${message.event}`;
  const operation = Object.keys(message).find((key) => /^\$(set|add|unset|union)/.test(key));
  return `${message.$token} ${message.$group_key ?? "people"} ${operation}`;
}

// `alias` of mixpanel-js calls `identify` itself.
const SIGN_UP = ["T $create_alias", "T $identify", "T $identify", "T people $set", "T Sign Up", "T company $set"];
const ownMessages = (sent) => sent.filter((message) => message.startsWith("T "));

test("calls of a page are sent in order", async () => {
  const sent = await visit("/sign_up", 6);
  const messages = sent.map(describe);
  assert.deepEqual([...messages].sort(), [...SIGN_UP].sort());
  assert.ok(messages.indexOf("T $create_alias") < messages.indexOf("T Sign Up"));
  const event = sent.find(({ event }) => event === "Sign Up");
  assert.equal(event.properties.ID, "42");
  assert.equal(event.properties.$user_id, "42");
});

test("setup runs once per session, identify on every page", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0" });
  const page = await context.newPage();
  const sent = [];
  page.on("request", (request) => {
    if (request.url().includes("/mp/")) {
      sent.push(describe(JSON.parse(new URLSearchParams(request.postData()).get("data"))));
    }
  });
  for (let visits = 0; visits < 2; visits++) {
    await page.goto(`${origin}/sign_up`, { waitUntil: "networkidle" });
  }
  await context.close();
  assert.equal(sent.filter((message) => message === "T people $set").length, 1);
  assert.equal(sent.filter((message) => message === "T Sign Up").length, 2);
});

test("page view runs its calls once and always loads mixpanel-js", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0 Safari/537.36" });
  const first = (await visit("/same_view", 12, undefined, context)).map(describe);
  assert.equal(first.filter((message) => message === "T Sign Up").length, 2, "by the snippet in the head and by the late one");
  const second = await visit("/same_view", 1, undefined, context);
  assert.deepEqual(second.map(describe), ["T From The Page"]);
  const stored = await context.storageState();
  const [{ value }] = stored.origins[0].localStorage.filter(({ name }) => name === "mengpaneel_views");
  assert.match(value, /^[0-9a-f]{32}$/);
  await context.close();
});

test("image named prerendering delays no calls", async () => {
  assert.deepEqual((await visit("/named", 6)).map(describe).sort(), [...SIGN_UP].sort());
});

test("stored page views are limited, and the oldest is dropped", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0 Safari/537.36" });
  const page = await context.newPage();
  await page.goto(`${origin}/gone`);
  await page.evaluate(() => {
    localStorage.setItem("mengpaneel_views", Array.from({ length: 100 }, (_, index) => `view${index}`).join(" "));
  });
  await visit("/sign_out", 1, undefined, context);
  const views = await page.evaluate(() => localStorage.getItem("mengpaneel_views").split(" "));
  assert.equal(views.length, 100);
  assert.equal(views[0], "view1");
  await context.close();
});

test("setup is sent again after a sign-out", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0" });
  const page = await context.newPage();
  const sent = [];
  page.on("request", (request) => {
    if (request.url().includes("/mp/")) {
      sent.push(describe(JSON.parse(new URLSearchParams(request.postData()).get("data"))));
    }
  });
  for (const path of ["/sign_up", "/sign_out", "/sign_up"]) {
    await page.goto(origin + path, { waitUntil: "networkidle" });
  }
  await context.close();
  assert.ok(sent.includes("T Sign Out"));
  assert.equal(sent.filter((message) => message === "T people $set").length, 2);
});

for (const [title, acts] of [
  ["reset", ["mixpanel.reset()"]],
  ["opt-out and opt-in", ["mixpanel.opt_out_tracking({ delete_user: false })", "mixpanel.opt_in_tracking()"]],
]) {
  test(`setup runs completely after the page's ${title}`, async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const sent = [];
    page.on("request", (request) => {
      if (request.url().includes("/mp/")) {
        sent.push(describe(JSON.parse(new URLSearchParams(request.postData()).get("data"))));
      }
    });
    const profiles = () => sent.filter((message) => message === "T people $set").length;
    await page.goto(`${origin}/sign_up`, { waitUntil: "networkidle" });
    await page.goto(`${origin}/sign_up`, { waitUntil: "networkidle" });
    const before = profiles();
    for (const act of acts) {
      await page.evaluate(act);
      await page.goto(`${origin}/loader_only`, { waitUntil: "networkidle" });
    }
    await page.goto(`${origin}/sign_up`, { waitUntil: "networkidle" });
    await context.close();
    assert.deepEqual([before, profiles()], [1, 2]);
  });
}

test("second Mengpaneel stores its setup under its own name", async () => {
  const stored = {};
  await visit("/billing", 6, async (page) => {
    await page.waitForFunction(() => sessionStorage.getItem("mengpaneel_billing_setup"));
    Object.assign(stored, await page.evaluate(() => ({ ...sessionStorage })));
  });
  assert.match(stored.mengpaneel_billing_setup, /^[0-9a-f]{16} [0-9a-f-]{36}$/);
  assert.equal(stored.mengpaneel_setup, undefined);
});

test("stubbed browser functions lose no calls", async () => {
  const sent = (await visit("/stubbed", 4)).map(describe);
  assert.ok(sent.includes("T Sign Up"), sent.join());
});

test("page scripts can use the loader's queue", async () => {
  assert.deepEqual((await visit("/loader_only", 1)).map(describe), ["T From The Page"]);
});

for (const path of ["/other_before", "/other_after", "/other_loaded"]) {
  test(`mixpanels of two tokens run their own calls: ${path}`, async () => {
    const sent = (await visit(path, 7)).map(describe);
    assert.deepEqual(ownMessages(sent).sort(), [...SIGN_UP].sort());
    assert.deepEqual(sent.filter((message) => message.startsWith("OTHER ")), ["OTHER Other Event"]);
  });
}

test("existing mixpanel of the same token is used", async () => {
  const sent = (await visit("/same", 7)).map(describe);
  assert.deepEqual([...sent].sort(), ["T Other Event", ...SIGN_UP].sort());
});

test("nonce lets the snippet and its scripts run", async () => {
  assert.equal((await visit("/nonce", 6)).length, 6);
});

for (const path of ["/late", "/late_loaded"]) {
  test(`snippet at the end of the page is sent: ${path}`, async () => {
    assert.deepEqual((await visit(path, 6)).map(describe).sort(), [...SIGN_UP].sort());
  });
}

test("calls wait for the page's mixpanel without a loader", async () => {
  const sent = (await visit("/never", 7)).map(describe);
  assert.deepEqual([...sent].sort(), ["T Other Event", ...SIGN_UP].sort());
});

test("fetch and XMLHttpRequest run the calls of responses", async () => {
  apiRequests.length = 0;
  const request = (page) =>
    page.evaluate(async () => {
      while (!window.mengpaneel.instance) await new Promise((resolve) => setTimeout(resolve, 10));
      await fetch("/api");
      await new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open("GET", "/api");
        request.onload = resolve;
        request.send();
      });
    });
  const sent = await visit("/ajax", 2, request);
  assert.deepEqual(sent.map(describe), ["T From Header", "T From Header"]);
  assert.deepEqual(apiRequests.map((headers) => headers["x-mengpaneel-flush-capable"]), ["true", "true"]);
});

test("blocked library leaves requests unmarked", async () => {
  apiRequests.length = 0;
  await visit("/blocked", 0, (page) => page.evaluate(() => fetch("/api").then((response) => response.text())));
  assert.deepEqual(apiRequests.map((headers) => headers["x-mengpaneel-flush-capable"]), [undefined]);
});
