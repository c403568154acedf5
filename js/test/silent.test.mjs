// Snippets for visitors without consent, in a real browser with the real mixpanel-js.
// Needs Chromium at /usr/bin/chromium, or at the path in CHROMIUM.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const DEADLINE = 20_000;

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const snippet = (name) => read(`../../mengpaneel/src/browser/snippet/pages/${name}.html`);
const library = read("../node_modules/mixpanel-browser/dist/mixpanel.min.js");
const officialSnippet = read("../node_modules/mixpanel-browser/dist/mixpanel-jslib-snippet.min.js");

const html = (head, body = "") => `<!DOCTYPE html><html><head>${head}</head><body>${body}</body></html>`;
const OFFICIAL_SNIPPET = `<script>MIXPANEL_CUSTOM_LIB_URL = "/mixpanel.js";</script><script>${officialSnippet}</script>`;
const init = (token, more = "") =>
  `<script>mixpanel.init("${token}", {api_host: "/mp", api_payload_format: "json", batch_requests: false${more}});</script>`;
const track = (instance, event) => `<script>${instance}.track("${event}");</script>`;
const OTHER_MIXPANEL = OFFICIAL_SNIPPET + init("OTHER") + track("mixpanel", "Other Event");

const pages = {
  "/silent": html(snippet("silent")),
  "/nonce": html(snippet("silent_nonce")),
  "/loader": html(snippet("loader_only")),
  "/overruled": html(snippet("overruled"), track("mixpanel", "From The Page")),
  "/other_before": html(OTHER_MIXPANEL + snippet("silent")),
  "/other_loaded": html(`${OFFICIAL_SNIPPET}${init("OTHER")}<script src="/mixpanel.js"></script>${track("mixpanel", "Other Event")}${snippet("silent")}`),
  "/other_after": html(snippet("silent") + OTHER_MIXPANEL),
  "/same_after": html(snippet("silent") + OFFICIAL_SNIPPET + init("T", ", loaded: function (m) { window.loadedInstance = m; }")),
  "/named_after": html(
    `${snippet("silent")}<script>mixpanel.init("OTHER", {api_host: "/mp", api_payload_format: "json", batch_requests: false}, "second");</script>` +
      track("mixpanel.second", "Other Event") + track("mixpanel", "Suppressed"),
  ),
  "/silent_and_granted": html(snippet("silent") + snippet("billing_loader") + track("mixpanel.mengpaneel_billing", "Other Event")),
  "/granted_and_silent": html(snippet("loader_only") + snippet("billing_silent") + track("mixpanel", "Other Event")),
  "/silent_and_silent": html(snippet("silent") + snippet("billing_silent")),
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

// Opens a page as a new visitor. Collects the sent events, as "T Event", and the requests for mixpanel-js.
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
  const waitFor = async (event) => {
    const deadline = Date.now() + DEADLINE;
    while (!sent.includes(event)) {
      if (Date.now() > deadline) throw new Error(`${event} is not among ${JSON.stringify(sent)}; errors: ${errors}`);
      await page.waitForTimeout(20);
    }
  };
  const close = async () => {
    await page.waitForLoadState("networkidle");
    assert.deepEqual(errors, []);
    await context.close();
  };
  const stored = async () => ({
    cookies: (await context.cookies()).map(({ name }) => name),
    keys: await page.evaluate(() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)]),
  });
  return { page, context, sent, loads, waitFor, close, stored };
}

test("stub has every method of mixpanel-js and sends nothing", async () => {
  const real = await open("/loader");
  await real.page.waitForFunction(() => window.mixpanel.get_distinct_id);
  const names = await real.page.evaluate(() => {
    const methods = (object) => {
      const found = new Set();
      for (let level = object; level && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
        Object.getOwnPropertyNames(level).forEach((name) => found.add(name));
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

  const { page, sent, loads, close, stored } = await open("/silent");
  const missing = await page.evaluate((names) => {
    const missing = [];
    const callAll = (owner, object, list) => {
      for (const name of list.filter((name) => !/^(init|opt_in_tracking|constructor)$/.test(name))) {
        if (typeof object[name] !== "function") missing.push(`${owner}.${name}`);
        else object[name]("a", { a: 1 }, () => {});
      }
    };
    callAll("mixpanel", mixpanel, names.mixpanel);
    callAll("people", mixpanel.people, names.people);
    callAll("group", mixpanel.get_group("a", "b"), names.group);
    callAll("flags", mixpanel.flags, names.flags.filter((name) => !/^_/.test(name) && mixpanel.flags[name]));
    mixpanel.init("T", {}, "again");
    mixpanel.again.people.set("a", 1);
    mixpanel.push(["track", "Pushed"]);
    mixpanel.push(function () {
      this.track("In A Function");
    });
    return missing;
  }, names);
  // Undocumented internals of mixpanel-js.
  assert.deepEqual(missing.filter((name) => !/report_error|init_batchers|are_batchers_initialized|get_batcher|group_/.test(name)), []);
  const answers = await page.evaluate(() => [
    mixpanel.has_opted_out_tracking(),
    mixpanel.has_opted_in_tracking(),
    mixpanel.get_distinct_id(),
    mixpanel.get_config("token"),
  ]);
  assert.deepEqual(answers, [true, false, "", "T"]);
  assert.deepEqual([sent, loads, await stored()], [[], [], { cookies: [], keys: [] }]);
  await close();
});

for (const path of ["/silent", "/nonce"]) {
  test(`opt-in replaces the stub by mixpanel-js: ${path}`, async () => {
    const { page, context, sent, waitFor, close } = await open(path, { cookies: [["__mp_opt_in_out_T", "0"]] });
    await page.evaluate(() => {
      window.oldInstance = mixpanel;
      mixpanel.track("Before");
      mixpanel.opt_in_tracking();
      mixpanel.track("After");
      mixpanel.get_group("company", "acme").set({ a: 1 });
      mixpanel.get_distinct_id().slice(1);
    });
    await waitFor("T After");
    await page.waitForFunction(() => window.mixpanel !== window.oldInstance);
    await page.evaluate(() => window.oldInstance.track("From An Old Reference"));
    await waitFor("T From An Old Reference");
    assert.deepEqual([...sent].sort(), ["T $opt_in", "T After", "T From An Old Reference"]);
    assert.equal((await context.cookies()).find(({ name }) => name === "__mp_opt_in_out_T").value, "1");
    assert.equal(await page.evaluate(() => mixpanel.has_opted_out_tracking()), false);
    await close();
  });
}

test("opt-in overrides Do Not Track", async () => {
  const script = () => Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" });
  const { page, sent, waitFor, close } = await open("/silent", { script });
  assert.deepEqual(sent, []);
  await page.evaluate(() => {
    mixpanel.opt_in_tracking({ track_event_name: "Agreed" });
    mixpanel.track("After");
  });
  await waitFor("T After");
  assert.deepEqual([...sent].sort(), ["T After", "T Agreed"]);
  await close();
});

for (const path of ["/other_before", "/other_loaded", "/other_after"]) {
  test(`mixpanel of another token is not silenced: ${path}`, async () => {
    const { page, sent, waitFor, close } = await open(path);
    await waitFor("OTHER Other Event");
    await page.evaluate(() => {
      mixpanel.track("Other Event 2");
      mixpanel.mengpaneel.track("Suppressed");
    });
    await waitFor("OTHER Other Event 2");
    await page.evaluate(() => {
      mixpanel.mengpaneel.opt_in_tracking();
      mixpanel.mengpaneel.track("After");
    });
    await waitFor("T After");
    assert.deepEqual([...sent].sort(), ["OTHER Other Event", "OTHER Other Event 2", "T $opt_in", "T After"]);
    await close();
  });
}

test("official snippet of our token stays silent and calls loaded", async () => {
  const { page, sent, loads, close } = await open("/same_after");
  assert.equal(await page.evaluate(() => window.loadedInstance === window.mixpanel), true);
  await page.evaluate(() => mixpanel.track("Suppressed"));
  assert.deepEqual([sent, loads], [[], []]);
  await close();
});

test("named mixpanel of another token runs next to the stub", async () => {
  const { page, sent, waitFor, close } = await open("/named_after");
  await waitFor("OTHER Other Event");
  await page.evaluate(() => {
    mixpanel.track("Suppressed");
    mixpanel.second.track("Other Event 2");
  });
  await waitFor("OTHER Other Event 2");
  assert.deepEqual(sent, ["OTHER Other Event", "OTHER Other Event 2"]);
  await page.evaluate(() => {
    mixpanel.opt_in_tracking();
    mixpanel.track("After");
    mixpanel.second.track("Other Event 3");
  });
  await Promise.all([waitFor("T After"), waitFor("OTHER Other Event 3")]);
  assert.ok(!sent.includes("T Suppressed"));
  await close();
});

test("second Mengpaneel with consent runs next to a stub", async () => {
  const { page, sent, waitFor, close } = await open("/silent_and_granted");
  await waitFor("B Other Event");
  await page.evaluate(() => mixpanel.track("Suppressed"));
  await page.evaluate(() => {
    mixpanel.opt_in_tracking();
    mixpanel.track("After");
  });
  await waitFor("T After");
  await page.evaluate(() => mixpanel.mengpaneel_billing.track("Other Event 3"));
  await waitFor("B Other Event 3");
  assert.ok(!sent.includes("T Suppressed"));
  await close();
});

test("stub of a second Mengpaneel runs next to mixpanel-js", async () => {
  const { page, sent, waitFor, close } = await open("/granted_and_silent");
  await waitFor("T Other Event");
  await page.evaluate(() => mixpanel.mengpaneel_billing.track("Suppressed"));
  await page.evaluate(() => {
    mixpanel.mengpaneel_billing.opt_in_tracking();
    mixpanel.mengpaneel_billing.track("After");
  });
  await waitFor("B After");
  assert.deepEqual([...sent].sort(), ["B $opt_in", "B After", "T Other Event"]);
  await close();
});

test("stubs of two Mengpaneels opt in separately", async () => {
  const { page, sent, loads, waitFor, close } = await open("/silent_and_silent");
  assert.deepEqual(loads, []);
  await page.evaluate(() => {
    mixpanel.opt_in_tracking();
    mixpanel.track("After");
    mixpanel.mengpaneel_billing.track("Suppressed");
  });
  await waitFor("T After");
  await page.waitForFunction(() => window.mixpanel.persistence);
  await page.evaluate(() => {
    mixpanel.mengpaneel_billing.track("Suppressed");
    mixpanel.mengpaneel_billing.opt_in_tracking();
    mixpanel.mengpaneel_billing.track("After");
  });
  await waitFor("B After");
  assert.deepEqual([...sent].sort(), ["B $opt_in", "B After", "T $opt_in", "T After"]);
  await close();
});

const dnt = () => Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" });
for (const cookies of [[["__mp_opt_in_out_T", "0"]], [["mp_optout", "1"]]]) {
  test(`application's rule overrides ${cookies[0][0]}, unchanged`, async () => {
    const { context, sent, waitFor, close } = await open("/overruled", { cookies, script: dnt });
    await waitFor("T From The Page");
    assert.deepEqual(sent, ["T From The Page"]);
    const flag = (await context.cookies()).find(({ name }) => name === "__mp_opt_in_out_T");
    assert.equal(flag?.value, cookies[0][0] === "mp_optout" ? undefined : "0");
    await close();
  });
}
