// Visitors with a real browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { script } from "./site.mjs";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

// mixpanel-js ignores the user agents of headless browsers.
const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

// Launches Chromium. Fails if it is missing, because no test can pass without it.
export const launch = () => chromium.launch({ executablePath, args: ["--no-sandbox"] });

// Launches Chromium with its back-forward cache, which Playwright disables.
export const launchWithBackForwardCache = () =>
  chromium.launch({ executablePath, args: ["--no-sandbox"], ignoreDefaultArgs: ["--disable-back-forward-cache"] });

// Opens a page in a browser without Playwright, because automated browsers do not prerender. Returns a function
// that stops the browser.
export async function openWithoutAutomation(url) {
  const profile = mkdtempSync(join(tmpdir(), "mengpaneel-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`];
  const child = spawn(executablePath, [...flags, `--user-agent=${userAgent}`, "--remote-debugging-port=0", url], { stdio: "ignore" });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  return async () => {
    child.kill();
    await exited;
    // Child processes of the browser exit later and write to the profile until then.
    await rm(profile, { recursive: true, force: true, maxRetries: 50, retryDelay: 20 });
  };
}

// Creates a visitor without cookies or storage. `leave` closes the pages and asserts that none threw an error.
export async function newVisitor(browser, site) {
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

// Serves jQuery, which the blog's AJAX page loads from a CDN. (A context with such a route has no HTTP cache.)
export const serveJquery = (context) =>
  context.route("https://cdn.jsdelivr.net/**", (route) =>
    route.fulfill({ contentType: "text/javascript", body: script("/jquery.js") }),
  );

// Waits until mixpanel-js runs in the page.
export const waitForMixpanel = (page) => page.waitForFunction(() => window.mengpaneel?.instance?.get_distinct_id);

// Signs up with a new e-mail address, and returns the address.
export async function signUp(page, name = "Ada") {
  await page.goto("/sign_up");
  const email = `${name.toLowerCase()}-${crypto.randomUUID()}@blog.example`;
  await page.fill('[name="email"]', email);
  await page.fill('[name="first_name"]', name);
  await page.click("main button");
  await page.waitForURL("**/");
  return email;
}

// Publishes a post with the form on the home page.
export async function publishPost(page, title, click = (selector) => page.click(selector)) {
  await page.fill('[name="title"]', title);
  await click('main form[action="/posts"] button');
}
