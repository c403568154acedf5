// Content security policies and other policies: who delivers the event, and whether the browser blocks anything.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import { start, startCdn } from "./site.mjs";
import { launch, newVisitor, waitForMixpanel } from "./visitor.mjs";

let browser, cdn, pages;

before(async () => {
  [browser, cdn] = await Promise.all([launch(), startCdn()]);
  pages = await start("pages", { CDN: cdn.url });
});

after(async () => {
  await browser?.close();
  await pages?.stop();
  cdn?.stop();
});

beforeEach(() => pages.ignoreEarlier());

const BROWSER_ENDPOINT = "/track";
const SERVER_ENDPOINT = "/import";

// Policies, each with the endpoint that receives the event. CDN and API are placeholders of the two hosts.
const POLICIES = [
  [{}, BROWSER_ENDPOINT],
  [{ policy: "script-src 'self'" }, SERVER_ENDPOINT],
  [{ policy: "default-src 'self'" }, SERVER_ENDPOINT],
  [{ policy: "default-src 'none'; script-src 'nonce-abc'; connect-src API" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'nonce-abc' 'strict-dynamic'; object-src 'none'; base-uri 'none'" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'nonce-abc'; connect-src 'self'" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'unsafe-inline' CDN; connect-src API" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'unsafe-inline' CDN/other/; connect-src API" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'unsafe-inline'" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'unsafe-inline' CDN; connect-src 'self'" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'unsafe-inline' 'nonce-abc'" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'unsafe-inline' CDN 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'none'; script-src-elem 'nonce-abc'" }, BROWSER_ENDPOINT],
  [{ policy: "script-src-elem 'none'; script-src * 'unsafe-inline'" }, SERVER_ENDPOINT],
  [{ policy: "script-src * 'unsafe-inline'" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'nonce-abc'; require-trusted-types-for 'script'" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'nonce-abc'", second: "script-src 'self'" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'nonce-abc' 'nonce-def'", second: "script-src 'nonce-def'" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'nonce-abc', script-src 'self'" }, SERVER_ENDPOINT],
  [{ report_only: "default-src 'none'" }, BROWSER_ENDPOINT],
  [{ meta: "script-src 'self'" }, SERVER_ENDPOINT],
  [{ meta: "script-src 'nonce-abc'; connect-src API" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'nonce-abc'", meta: "script-src 'nonce-abc'; connect-src 'none'" }, SERVER_ENDPOINT],
  [{ policy: "sandbox" }, SERVER_ENDPOINT],
  [{ policy: "sandbox allow-scripts" }, SERVER_ENDPOINT],
  [{ policy: "sandbox allow-scripts allow-same-origin" }, BROWSER_ENDPOINT],
  [{ meta: "sandbox" }, BROWSER_ENDPOINT],
  [{ policy: "script-src 'nonce-ab==cd'" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'unsafe-inline' 'nonce-ab==cd' CDN" }, SERVER_ENDPOINT],
  [{ policy: "script-src 'nonce-abcd=='; connect-src API" }, BROWSER_ENDPOINT],
  [{ embedder: "require-corp" }, SERVER_ENDPOINT],
  [{ embedder: "credentialless" }, BROWSER_ENDPOINT],
  [{ isolation: "isolate-and-require-corp" }, SERVER_ENDPOINT],
  [{ isolation: "isolate-and-credentialless" }, BROWSER_ENDPOINT],
  [{ integrity: "blocked-destinations=(script)" }, SERVER_ENDPOINT],
  [{ integrity: "blocked-destinations=(style)" }, BROWSER_ENDPOINT],
];

// Creates a visitor, and collects what policies blocked on the visitor's pages.
async function visitorWithViolations() {
  const visitor = await newVisitor(browser, pages.url);
  const blocked = [];
  await visitor.context.exposeFunction("blocked", (violation) => blocked.push(violation));
  await visitor.context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      if (event.disposition === "enforce") window.blocked(`${event.effectiveDirective} ${event.blockedURI}`);
    });
  });
  return { ...visitor, blocked };
}

for (const [policies, endpoint] of POLICIES) {
  const title = Object.entries(policies).map(([name, value]) => `${name} ${value}`).join(" and ") || "no policy";
  test(`event arrives and nothing is blocked with ${title}`, async () => {
    const { page, leave, blocked } = await visitorWithViolations();
    const withHosts = (value) => value.replaceAll("CDN", cdn.url).replaceAll("API", pages.mixpanel);
    const query = new URLSearchParams(Object.entries(policies).map(([name, value]) => [name, withHosts(value)]));
    await page.goto(`/policy?${query}`);
    if (endpoint === BROWSER_ENDPOINT) await waitForMixpanel(page);
    const [event] = await pages.waitForEvents(["View Policy"], leave);
    assert.equal(event.endpoint, endpoint);
    assert.deepEqual(blocked, []);
  });
}

// Policy in the guide, with and without the script tag of mengpaneel.js.
const guide = readFileSync(fileURLToPath(new URL("../../mengpaneel/src/guide/privacy.md", import.meta.url)), "utf8");
const SAMPLE = guide.match(/^Content-Security-Policy: (.*)$/m)[1];
const WITHOUT_SELF = SAMPLE.replace("script-src 'self'", "script-src");

for (const [policy, nonce] of [[SAMPLE, ""], [SAMPLE, "abc"], [WITHOUT_SELF, "abc"]]) {
  test(`guide's policy blocks nothing: ${policy}, nonce "${nonce}"`, async () => {
    const { page, leave, blocked } = await visitorWithViolations();
    const header = policy.replace("…", "abc").replace("https://api-js.mixpanel.com", pages.mixpanel);
    await page.goto(`/policy?${new URLSearchParams({ policy: header, script: nonce })}`);
    await waitForMixpanel(page);
    // mengpaneel.js marks the request as capable and runs the calls of the response.
    await page.evaluate(() => fetch("/part", { method: "POST" }));
    const events = await pages.waitForEvents(["View Policy", "Part"], leave);
    assert.deepEqual(events.map(({ endpoint }) => endpoint), [BROWSER_ENDPOINT, BROWSER_ENDPOINT]);
    assert.deepEqual(blocked, []);
  });
}
