// People with a real browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { script } from "./blog.mjs";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

// mixpanel-js ignores browsers that have no head.
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

// Fails where there is no Chromium: nothing here is seen working without one.
export const launch = () => chromium.launch({ executablePath, args: ["--no-sandbox"] });

// One that keeps the pages it left, as people's do and steered ones do not, and shows them again.
export const launchKeeping = () =>
  chromium.launch({ executablePath, args: ["--no-sandbox"], ignoreDefaultArgs: ["--disable-back-forward-cache"] });

// A browser that nobody steers, on that page: steered ones prerender nothing. Gives what ends it.
export async function alone(url) {
  const profile = mkdtempSync(join(tmpdir(), "mengpaneel-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
  const child = spawn(executablePath, [...flags, `--user-agent=${userAgent}`, "--remote-debugging-port=0", url], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  return async () => {
    child.kill();
    await ended;
    // Its helpers end a little later, and write until then.
    await rm(profile, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
  };
}

// Somebody new: no cookies, nothing kept. Its pages must not throw.
export async function visitor(browser, site) {
  const context = await browser.newContext({ userAgent, baseURL: site });
  const errors = [];
  context.on("weberror", (error) => errors.push(error.error().message));
  const leave = async () => {
    await Promise.all(context.pages().map((page) => page.goto("about:blank")));
    await context.close();
    assert.deepEqual(errors, []);
  };
  return { context, leave, page: await context.newPage() };
}

// The blog's page of scripts has jQuery from a CDN. (Pages of a context with such a route keep
// nothing in the browser's cache.)
export const withJquery = (context) =>
  context.route("https://cdn.jsdelivr.net/**", (route) =>
    route.fulfill({ contentType: "text/javascript", body: script("/jquery.js") }),
  );

// Waits until mixpanel-js runs in the page.
export const tracks = (page) => page.waitForFunction(() => window.mengpaneel?.instance?.get_distinct_id);

// Gives the e-mail address.
export async function signUp(page, name = "Ada") {
  await page.goto("/sign_up");
  const email = `${name.toLowerCase()}-${crypto.randomUUID()}@blog.example`;
  await page.fill('[name="email"]', email);
  await page.fill('[name="first_name"]', name);
  await page.click("main button");
  await page.waitForURL("**/");
  return email;
}
