// A real browser runs the blocks of visitors without consent, with the real mixpanel-js at hand.
// Needs Chromium: at /usr/bin/chromium, or where CHROMIUM says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const DEADLINE = 20_000;

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const block = (name) => read(`../../mengpaneel/src/browser/snippet/pages/${name}.html`);
const library = read("../node_modules/mixpanel-browser/dist/mixpanel.min.js");
const snippet = read("../node_modules/mixpanel-browser/dist/mixpanel-jslib-snippet.min.js");

const html = (head, body = "") => `<!DOCTYPE html><html><head>${head}</head><body>${body}</body></html>`;
const SNIPPET = `<script>MIXPANEL_CUSTOM_LIB_URL = "/mixpanel.js";</script><script>${snippet}</script>`;
const init = (token, more = "") =>
  `<script>mixpanel.init("${token}", {api_host: "/mp", api_payload_format: "json", batch_requests: false${more}});</script>`;
const track = (on, event) => `<script>${on}.track("${event}");</script>`;
const THEIRS = SNIPPET + init("OTHER") + track("mixpanel", "Theirs");

const pages = {
  "/silent": html(block("silent")),
  "/nonce": html(block("silent_nonce")),
  "/loader": html(block("loader_only")),
  "/overruled": html(block("overruled"), track("mixpanel", "By The Page")),
  "/other_before": html(THEIRS + block("silent")),
  "/other_loaded": html(`${SNIPPET}${init("OTHER")}<script src="/mixpanel.js"></script>${track("mixpanel", "Theirs")}${block("silent")}`),
  "/other_after": html(block("silent") + THEIRS),
  "/same_after": html(block("silent") + SNIPPET + init("T", ", loaded: function (m) { window.told = m; }")),
  "/named_after": html(
    `${block("silent")}<script>mixpanel.init("OTHER", {api_host: "/mp", api_payload_format: "json", batch_requests: false}, "second");</script>` +
      track("mixpanel.second", "Theirs") + track("mixpanel", "Ours"),
  ),
  "/silent_and_granted": html(block("silent") + block("billing_loader") + track("mixpanel.mengpaneel_billing", "Theirs")),
  "/granted_and_silent": html(block("loader_only") + block("billing_silent") + track("mixpanel", "Theirs")),
  "/silent_and_silent": html(block("silent") + block("billing_silent")),
};

let server, browser, origin;

before(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname === "/mixpanel.js") {
      response.setHeader("Content-Type", "text/javascript");
      response.end(library);
    } else if (pages[pathname]) {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      if (pathname === "/nonce") response.setHeader("Content-Security-Policy", "script-src 'nonce-n0nce' 'strict-dynamic'");
      response.end(pages[pathname]);
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

// A new visitor on a page; what was sent, as "T Event"; whether mixpanel-js was asked for.
async function open(path, { cookies = [], script } = {}) {
  const context = await browser.newContext({ userAgent });
  await context.addCookies(cookies.map(([name, value]) => ({ name, value, url: origin })));
  if (script) await context.addInitScript(script);
  const page = await context.newPage();
  const [sent, errors, loads] = [[], [], []];
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("request", (request) => {
    if (request.url().endsWith("/mixpanel.js")) loads.push(request.url());
    if (!request.url().includes("/mp/")) return;
    const message = JSON.parse(new URLSearchParams(request.postData()).get("data"));
    if (message.event) sent.push(`${message.properties.token} ${message.event}`);
  });
  await page.goto(origin + path, { waitUntil: "networkidle" });
  const has = async (event) => {
    const until = Date.now() + DEADLINE;
    while (!sent.includes(event)) {
      if (Date.now() > until) throw new Error(`${event} is not among ${JSON.stringify(sent)}; errors: ${errors}`);
      await page.waitForTimeout(20);
    }
  };
  const close = async () => {
    await page.waitForLoadState("networkidle");
    assert.deepEqual(errors, []);
    await context.close();
  };
  const kept = async () => ({
    cookies: (await context.cookies()).map(({ name }) => name),
    stored: await page.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]),
  });
  return { page, context, sent, loads, has, close, kept };
}

test("silent mixpanel has every method of mixpanel-js, and does nothing", async () => {
  const real = await open("/loader");
  await real.page.waitForFunction(() => window.mixpanel.get_distinct_id);
  const names = await real.page.evaluate(() => {
    const methods = (object) => {
      const found = new Set();
      for (let at = object; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
        Object.getOwnPropertyNames(at).forEach((name) => found.add(name));
      }
      return [...found].filter((name) => /^[a-z][a-z_]{2,}$/.test(name) && typeof object[name] === "function");
    };
    return {
      mixpanel: methods(mixpanel),
      people: methods(mixpanel.people),
      group: methods(mixpanel.get_group("a", "b")),
      flags: methods(mixpanel.flags),
    };
  });
  await real.close();
  assert.ok(names.mixpanel.length > 40 && names.people.length >= 10 && names.group.length >= 6);

  const { page, sent, loads, close, kept } = await open("/silent");
  const missing = await page.evaluate((names) => {
    const missing = [];
    const use = (of, object, list) => {
      for (const name of list.filter((name) => !/^(init|opt_in_tracking|constructor)$/.test(name))) {
        if (typeof object[name] !== "function") missing.push(`${of}.${name}`);
        else object[name]("a", { a: 1 }, () => {});
      }
    };
    use("mixpanel", mixpanel, names.mixpanel);
    use("people", mixpanel.people, names.people);
    use("group", mixpanel.get_group("a", "b"), names.group);
    use("flags", mixpanel.flags, names.flags.filter((name) => !/^_/.test(name) && mixpanel.flags[name]));
    mixpanel.init("T", {}, "again");
    mixpanel.again.people.set("a", 1);
    mixpanel.push(["track", "Pushed"]);
    mixpanel.push(function () {
      this.track("In A Function");
    });
    return missing;
  }, names);
  // Of mixpanel-js's own making, not documented.
  assert.deepEqual(missing.filter((name) => !/report_error|init_batchers|are_batchers_initialized|get_batcher|group_/.test(name)), []);
  const answers = await page.evaluate(() => [
    mixpanel.has_opted_out_tracking(),
    mixpanel.has_opted_in_tracking(),
    mixpanel.get_distinct_id(),
    mixpanel.get_config("token"),
  ]);
  assert.deepEqual(answers, [true, false, "", "T"]);
  assert.deepEqual([sent, loads, await kept()], [[], [], { cookies: [], stored: [] }]);
  await close();
});

for (const path of ["/silent", "/nonce"]) {
  test(`opt-in turns the silent mixpanel into mixpanel-js: ${path}`, async () => {
    const { page, context, sent, has, close } = await open(path, { cookies: [["__mp_opt_in_out_T", "0"]] });
    await page.evaluate(() => {
      window.before = mixpanel;
      mixpanel.track("Before");
      mixpanel.opt_in_tracking();
      mixpanel.track("After");
      mixpanel.get_group("company", "acme").set({ a: 1 });
      mixpanel.get_distinct_id().slice(1);
    });
    await has("T After");
    await page.waitForFunction(() => window.mixpanel !== window.before);
    await page.evaluate(() => window.before.track("By An Old Reference"));
    await has("T By An Old Reference");
    assert.deepEqual([...sent].sort(), ["T $opt_in", "T After", "T By An Old Reference"]);
    assert.equal((await context.cookies()).find(({ name }) => name === "__mp_opt_in_out_T").value, "1");
    assert.equal(await page.evaluate(() => mixpanel.has_opted_out_tracking()), false);
    await close();
  });
}

test("opt-in counts though the browser sends Do Not Track", async () => {
  const script = () => Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" });
  const { page, sent, has, close } = await open("/silent", { script });
  assert.deepEqual(sent, []);
  await page.evaluate(() => {
    mixpanel.opt_in_tracking({ track_event_name: "Agreed" });
    mixpanel.track("After");
  });
  await has("T After");
  assert.deepEqual([...sent].sort(), ["T After", "T Agreed"]);
  await close();
});

for (const path of ["/other_before", "/other_loaded", "/other_after"]) {
  test(`beside a mixpanel of another token only ours is silent: ${path}`, async () => {
    const { page, sent, has, close } = await open(path);
    await has("OTHER Theirs");
    await page.evaluate(() => {
      mixpanel.track("Theirs Too");
      mixpanel.mengpaneel.track("Ours");
    });
    await has("OTHER Theirs Too");
    await page.evaluate(() => {
      mixpanel.mengpaneel.opt_in_tracking();
      mixpanel.mengpaneel.track("After");
    });
    await has("T After");
    assert.deepEqual([...sent].sort(), ["OTHER Theirs", "OTHER Theirs Too", "T $opt_in", "T After"]);
    await close();
  });
}

test("the page's own snippet of our token stays silent and is told that it loaded", async () => {
  const { page, sent, loads, close } = await open("/same_after");
  assert.equal(await page.evaluate(() => window.told === window.mixpanel), true);
  await page.evaluate(() => mixpanel.track("Ours"));
  assert.deepEqual([sent, loads], [[], []]);
  await close();
});

test("a named mixpanel of another token runs beside the silent one", async () => {
  const { page, sent, has, close } = await open("/named_after");
  await has("OTHER Theirs");
  await page.evaluate(() => {
    mixpanel.track("Ours");
    mixpanel.second.track("Theirs Too");
  });
  await has("OTHER Theirs Too");
  assert.deepEqual(sent, ["OTHER Theirs", "OTHER Theirs Too"]);
  await page.evaluate(() => {
    mixpanel.opt_in_tracking();
    mixpanel.track("After");
    mixpanel.second.track("Theirs Still");
  });
  await Promise.all([has("T After"), has("OTHER Theirs Still")]);
  assert.ok(!sent.includes("T Ours"));
  await close();
});

test("a second Mengpaneel with consent runs beside a silent one", async () => {
  const { page, sent, has, close } = await open("/silent_and_granted");
  await has("B Theirs");
  await page.evaluate(() => mixpanel.track("Ours"));
  await page.evaluate(() => {
    mixpanel.opt_in_tracking();
    mixpanel.track("After");
  });
  await has("T After");
  await page.evaluate(() => mixpanel.mengpaneel_billing.track("Theirs Still"));
  await has("B Theirs Still");
  assert.ok(!sent.includes("T Ours"));
  await close();
});

test("a silent second Mengpaneel stands beside one with consent", async () => {
  const { page, sent, has, close } = await open("/granted_and_silent");
  await has("T Theirs");
  await page.evaluate(() => mixpanel.mengpaneel_billing.track("Ours"));
  await page.evaluate(() => {
    mixpanel.mengpaneel_billing.opt_in_tracking();
    mixpanel.mengpaneel_billing.track("After");
  });
  await has("B After");
  assert.deepEqual([...sent].sort(), ["B $opt_in", "B After", "T Theirs"]);
  await close();
});

test("of two silent Mengpaneels each opts in for itself", async () => {
  const { page, sent, loads, has, close } = await open("/silent_and_silent");
  assert.deepEqual(loads, []);
  await page.evaluate(() => {
    mixpanel.opt_in_tracking();
    mixpanel.track("After");
    mixpanel.mengpaneel_billing.track("Ours");
  });
  await has("T After");
  await page.waitForFunction(() => window.mixpanel.persistence);
  await page.evaluate(() => {
    mixpanel.mengpaneel_billing.track("Ours");
    mixpanel.mengpaneel_billing.opt_in_tracking();
    mixpanel.mengpaneel_billing.track("After");
  });
  await has("B After");
  assert.deepEqual([...sent].sort(), ["B $opt_in", "B After", "T $opt_in", "T After"]);
  await close();
});

const dnt = () => Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" });
for (const cookies of [[["__mp_opt_in_out_T", "0"]], [["mp_optout", "1"]]]) {
  test(`the application's rule overrules ${cookies[0][0]} and leaves it as it is`, async () => {
    const { context, sent, has, close } = await open("/overruled", { cookies, script: dnt });
    await has("T By The Page");
    assert.deepEqual(sent, ["T By The Page"]);
    const flag = (await context.cookies()).find(({ name }) => name === "__mp_opt_in_out_T");
    assert.equal(flag?.value, cookies[0][0] === "mp_optout" ? undefined : "0");
    await close();
  });
}
