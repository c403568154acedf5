// A real browser and the real mixpanel-js run the blocks that the server writes.
// Needs Chromium: at /usr/bin/chromium, or where CHROMIUM says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const block = (name) => read(`../../mengpaneel/src/browser/snippet/pages/${name}.html`);
const library = read("../node_modules/mixpanel-browser/dist/mixpanel.min.js");
const snippet = read("../node_modules/mixpanel-browser/dist/mixpanel-jslib-snippet.min.js");
const script = read("../mengpaneel.js");

const html = (head, body = "") => `<!DOCTYPE html><html><head>${head}</head><body>${body}</body></html>`;
const OTHER = `<script>MIXPANEL_CUSTOM_LIB_URL = "/mixpanel.js";</script><script>${snippet}</script>`;
const initOther = (token = "OTHER") =>
  `<script>mixpanel.init("${token}", {api_host: "/mp", api_payload_format: "json", batch_requests: false});
  mixpanel.track("Theirs");</script>`;

const CALLS = JSON.stringify([[["track"], ["From A Header"]]]);
const pages = {
  "/sign_up": html(block("sign_up")),
  "/same_view": html(block("sign_up"), `<script>mixpanel.track("By The Page")</script>${block("late")}`),
  "/named": html(block("sign_up"), "<img name=prerendering>"),
  "/sign_out": html(block("sign_out")),
  "/stubbed": html(`<script>addEventListener = null;</script>${block("sign_up")}`),
  "/billing": html(block("billing")),
  "/loader_only": html(block("loader_only"), '<script>mixpanel.track("By The Page")</script>'),
  "/other_before": html(OTHER + initOther() + block("sign_up")),
  "/other_after": html(block("sign_up") + OTHER + initOther()),
  "/other_loaded": html(`${OTHER}${initOther()}<script src="/mixpanel.js"></script>${block("sign_up")}`),
  "/same": html(OTHER + initOther("T") + block("sign_up")),
  "/nonce": html(block("nonce")),
  "/late": html(block("loader_only"), `<p>Hello</p>${block("late")}`),
  "/late_loaded": html(block("loader_only"), `<script src="/slow.js"></script>${block("late")}`),
  "/never": html(
    block("never") + '<script src="/mengpaneel.js"></script>',
    `${OTHER}${initOther("T")}<script>mixpanel.push(function () { mengpaneel.start(this); });</script>`,
  ),
  "/ajax": html(`${block("loader_only")}<script src="/mengpaneel.js"></script>`),
  "/blocked": html(block("loader_only").replace("/mixpanel.js", "/gone.js") + '<script src="/mengpaneel.js"></script>'),
};

// As the server writes it: each response has an ID of its own, whatever the blocks of a page.
const ID = /"[0-9a-f]{32}"/g;
const asNewPageView = (page) => page.replace(ID, `"${crypto.randomUUID().replaceAll("-", "")}"`);

let server, browser, origin;
const seen = [];

before(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const js = { "/mixpanel.js": library, "/mengpaneel.js": script, "/slow.js": "" }[pathname];
    if (js !== undefined) {
      response.setHeader("Content-Type", "text/javascript");
      // Late enough for mixpanel-js, which was asked for before it, to have run.
      if (pathname === "/slow.js") setTimeout(() => response.end(js), 500);
      else response.end(js);
    } else if (pathname === "/api") {
      seen.push(request.headers);
      response.setHeader("X-Mengpaneel-Calls", CALLS);
      response.end("{}");
    } else if (pages[pathname]) {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      if (pathname === "/nonce") {
        response.setHeader("Content-Security-Policy", "script-src 'nonce-n0nce'");
      }
      response.end(pathname === "/same_view" ? pages[pathname] : asNewPageView(pages[pathname]));
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

// What mixpanel-js sent, in order, once the page has sent `count` messages.
async function visit(path, count, act = async () => {}, context = undefined) {
  // mixpanel-js ignores browsers without a head.
  const visitor = context ?? (await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0 Safari/537.36" }));
  const page = await visitor.newPage();
  const sent = [];
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  const enough = new Promise((resolve) => {
    page.on("request", (request) => {
      if (request.url().includes("/mp/")) {
        const message = JSON.parse(new URLSearchParams(request.postData()).get("data"));
        // mixpanel-js writes the first referrer by itself.
        if (!message.$set_once) sent.push(message);
      }
      if (sent.length >= count) resolve();
    });
    if (count === 0) resolve();
  });
  await page.goto(origin + path, { waitUntil: "load" });
  await act(page);
  await Promise.race([
    enough,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`only ${JSON.stringify(sent)}`)), 10_000).unref()),
  ]);
  await page.waitForLoadState("networkidle");
  assert.deepEqual(errors, []);
  await page.close();
  if (!context) await visitor.close();
  return sent;
}

// "T Sign Up": whose message it is and what it says.
function said(message) {
  if (message.event) return `${message.properties.token} ${message.event}`;
  const operation = Object.keys(message).find((key) => /^\$(set|add|unset|union)/.test(key));
  return `${message.$token} ${message.$group_key ?? "people"} ${operation}`;
}

// mixpanel-js's `alias` identifies once more, by itself.
const SIGN_UP = ["T $create_alias", "T $identify", "T $identify", "T people $set", "T Sign Up", "T company $set"];
const mine = (sent) => sent.filter((it) => it.startsWith("T "));

test("the calls of a page are sent in their order", async () => {
  const sent = await visit("/sign_up", 6);
  const words = sent.map(said);
  assert.deepEqual([...words].sort(), [...SIGN_UP].sort());
  assert.ok(words.indexOf("T $create_alias") < words.indexOf("T Sign Up"));
  const event = sent.find(({ event }) => event === "Sign Up");
  assert.equal(event.properties.ID, "42");
  assert.equal(event.properties.$user_id, "42");
});

test("the rest of a setup is sent once a visit, identify runs on every page", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0" });
  const page = await context.newPage();
  const sent = [];
  page.on("request", (request) => {
    if (request.url().includes("/mp/")) {
      sent.push(said(JSON.parse(new URLSearchParams(request.postData()).get("data"))));
    }
  });
  for (let visits = 0; visits < 2; visits++) {
    await page.goto(`${origin}/sign_up`, { waitUntil: "networkidle" });
  }
  await context.close();
  assert.equal(sent.filter((it) => it === "T people $set").length, 1);
  assert.equal(sent.filter((it) => it === "T Sign Up").length, 2);
});

test("a page view runs its calls once, and mixpanel-js loads each time", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0 Safari/537.36" });
  const first = (await visit("/same_view", 12, undefined, context)).map(said);
  assert.equal(first.filter((it) => it === "T Sign Up").length, 2, "by the head and by the late block");
  const again = await visit("/same_view", 1, undefined, context);
  assert.deepEqual(again.map(said), ["T By The Page"]);
  const stored = await context.storageState();
  const [{ value }] = stored.origins[0].localStorage.filter(({ name }) => name === "mengpaneel_views");
  assert.match(value, /^[0-9a-f]{32}$/);
  await context.close();
});

test("an image named prerendering keeps no calls back", async () => {
  assert.deepEqual((await visit("/named", 6)).map(said).sort(), [...SIGN_UP].sort());
});

test("the page views that are remembered are bounded, and the oldest is forgotten", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0 Safari/537.36" });
  const page = await context.newPage();
  await page.goto(`${origin}/gone`);
  await page.evaluate(() => {
    localStorage.setItem("mengpaneel_views", Array.from({ length: 100 }, (_, place) => `view${place}`).join(" "));
  });
  await visit("/sign_out", 1, undefined, context);
  const views = await page.evaluate(() => localStorage.getItem("mengpaneel_views").split(" "));
  assert.equal(views.length, 100);
  assert.equal(views[0], "view1");
  await context.close();
});

test("after a sign-out the rest of a setup is sent again", async () => {
  const context = await browser.newContext({ userAgent: "Mozilla/5.0 Chrome/140.0" });
  const page = await context.newPage();
  const sent = [];
  page.on("request", (request) => {
    if (request.url().includes("/mp/")) {
      sent.push(said(JSON.parse(new URLSearchParams(request.postData()).get("data"))));
    }
  });
  for (const path of ["/sign_up", "/sign_out", "/sign_up"]) {
    await page.goto(origin + path, { waitUntil: "networkidle" });
  }
  await context.close();
  assert.ok(sent.includes("T Sign Out"));
  assert.equal(sent.filter((it) => it === "T people $set").length, 2);
});

for (const [title, acts] of [
  ["reset", ["mixpanel.reset()"]],
  ["opt-out, and opt-in on another page", ["mixpanel.opt_out_tracking({ delete_user: false })", "mixpanel.opt_in_tracking()"]],
]) {
  test(`setup runs whole again after the page's own ${title}`, async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const sent = [];
    page.on("request", (request) => {
      if (request.url().includes("/mp/")) {
        sent.push(said(JSON.parse(new URLSearchParams(request.postData()).get("data"))));
      }
    });
    const profiles = () => sent.filter((it) => it === "T people $set").length;
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

test("a second Mengpaneel remembers its setup by a name of its own", async () => {
  const stored = {};
  await visit("/billing", 6, async (page) => {
    await page.waitForFunction(() => sessionStorage.getItem("mengpaneel_billing_setup"));
    Object.assign(stored, await page.evaluate(() => ({ ...sessionStorage })));
  });
  assert.match(stored.mengpaneel_billing_setup, /^[0-9a-f]{16} [0-9a-f-]{36}$/);
  assert.equal(stored.mengpaneel_setup, undefined);
});

test("stubbed functions of the browser cost no call", async () => {
  const sent = (await visit("/stubbed", 4)).map(said);
  assert.ok(sent.includes("T Sign Up"), sent.join());
});

test("the page's own scripts may use the loader's queue", async () => {
  assert.deepEqual((await visit("/loader_only", 1)).map(said), ["T By The Page"]);
});

for (const path of ["/other_before", "/other_after", "/other_loaded"]) {
  test(`beside a mixpanel of another token, each has its own calls: ${path}`, async () => {
    const sent = (await visit(path, 7)).map(said);
    assert.deepEqual(mine(sent).sort(), [...SIGN_UP].sort());
    assert.deepEqual(sent.filter((it) => it.startsWith("OTHER ")), ["OTHER Theirs"]);
  });
}

test("a mixpanel of the same token is used as it is", async () => {
  const sent = (await visit("/same", 7)).map(said);
  assert.deepEqual([...sent].sort(), ["T Theirs", ...SIGN_UP].sort());
});

test("a nonce lets the block and what it loads run", async () => {
  assert.equal((await visit("/nonce", 6)).length, 6);
});

for (const path of ["/late", "/late_loaded"]) {
  test(`a block at the end of the page is sent too: ${path}`, async () => {
    assert.deepEqual((await visit(path, 6)).map(said).sort(), [...SIGN_UP].sort());
  });
}

test("without a loader the calls wait for the page's own mixpanel", async () => {
  const sent = (await visit("/never", 7)).map(said);
  assert.deepEqual([...sent].sort(), ["T Theirs", ...SIGN_UP].sort());
});

test("fetch and XMLHttpRequest carry calls back", async () => {
  seen.length = 0;
  const ask = (page) =>
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
  const sent = await visit("/ajax", 2, ask);
  assert.deepEqual(sent.map(said), ["T From A Header", "T From A Header"]);
  assert.deepEqual(seen.map((headers) => headers["x-mengpaneel-flush-capable"]), ["true", "true"]);
});

test("a blocked library claims nothing", async () => {
  seen.length = 0;
  await visit("/blocked", 0, (page) => page.evaluate(() => fetch("/api").then((it) => it.text())));
  assert.deepEqual(seen.map((headers) => headers["x-mengpaneel-flush-capable"]), [undefined]);
});
