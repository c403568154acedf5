// Server process (the blog, or the pages of a test), the entries of its Mixpanel stand-in, and a CDN.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const target = fileURLToPath(new URL("../../target/debug/", import.meta.url));
const file = (path) => readFileSync(fileURLToPath(new URL(`node_modules/${path}`, import.meta.url)));

const SCRIPTS = {
  "/mixpanel.js": "mixpanel-browser/dist/mixpanel.min.js",
  "/jquery.js": "jquery/dist/jquery.min.js",
  "/axios.js": "axios/dist/axios.min.js",
  "/htmx.js": "htmx.org/dist/htmx.min.js",
  "/htmx4.js": "htmx-4/dist/htmx.min.js",
  "/turbo.js": "@hotwired/turbo/dist/turbo.es2017-umd.js",
};

// Longest wait for expected events, in milliseconds.
export const TIMEOUT = 30_000;

// Reads a library from its npm package.
export const script = (path) => file(SCRIPTS[path]);

// Starts a CDN: a host of another origin that serves cacheable scripts.
export async function startCdn() {
  const server = createServer((request, response) => {
    const path = SCRIPTS[request.url];
    response.writeHead(path ? 200 : 404, {
      "Content-Type": "text/javascript",
      "Cache-Control": "max-age=3600",
      "Access-Control-Allow-Origin": "*",
    });
    response.end(path ? file(path) : "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, stop: () => server.close() };
}

// Starts a program and waits until it listens.
export async function start(name, variables) {
  const program = process.env.BIN_DIR ? `${process.env.BIN_DIR}/${name}` : target + name;
  const child = spawn(program, { env: { ...process.env, BIND: "127.0.0.1:0", ...variables }, stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program} exited with ${code}`)));
  });
  let mixpanel;
  const listening = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      mixpanel = line.match(/^mixpanel on (\S+)/)?.[1] ?? mixpanel;
      const match = line.match(/^listening on (\S+)/);
      if (match) return match[1];
    }
    throw new Error(`${program} printed no address`);
  })();
  failed.catch(() => {});
  const url = await Promise.race([listening, failed]);
  child.stdout.resume();
  const stop = async () => {
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await exited;
  };
  return new Site(url, mixpanel ?? url, stop);
}

// Running server process, and the live page of its Mixpanel stand-in.
export class Site {
  constructor(url, mixpanel, stop) {
    this.url = url;
    this.mixpanel = mixpanel;
    this.stop = stop;
    this.lastEntry = 0;
    this.ignoredKeys = new Set();
  }

  async #numberedEntries() {
    const response = await fetch(`${this.mixpanel}/live.json?after=${this.lastEntry}`);
    return response.json();
  }

  // Ignores earlier entries, and later copies of earlier events.
  async ignoreEarlier() {
    for (const [key] of await this.#eventsByKey()) this.ignoredKeys.add(key);
    const entries = await this.#numberedEntries();
    this.lastEntry = Math.max(this.lastEntry, ...entries.map(([number]) => number));
  }

  // Entries of the live page: received records, rejected records, failed requests and notes.
  async entries() {
    return (await this.#numberedEntries()).map(([, entry]) => entry);
  }

  // Events by the key with which Mixpanel drops copies: event, insert ID, time and distinct ID. Events of
  // mixpanel-js itself ($identify …) are left out.
  async #eventsByKey() {
    const events = new Map();
    for (const entry of await this.entries()) {
      if (entry.kind !== "event" || entry.what.startsWith("$")) continue;
      const key = JSON.stringify([entry.what, entry.insert_id, entry.time, entry.whom]);
      if (!this.ignoredKeys.has(key)) events.set(key, entry);
    }
    return events;
  }

  // Received events without copies, by time.
  async events() {
    return [...(await this.#eventsByKey()).values()].sort((a, b) => a.time - b.time);
  }

  // Waits for at least as many events as there are names. Then closes the browser, and returns all events.
  async waitForCount(names, closeBrowser = async () => {}) {
    const deadline = Date.now() + TIMEOUT;
    while ((await this.events()).length < names.length && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await closeBrowser();
    return this.events();
  }

  // Waits for exactly these events, in any order. Fails if others arrive or if Mixpanel rejects a record.
  async waitForEvents(names, closeBrowser) {
    const events = await this.waitForCount(names, closeBrowser);
    const entries = await this.entries();
    const list = (names) => [...names].sort().join(", ");
    const received = list(events.map(({ what }) => what));
    if (received !== list(names)) {
      throw new Error(`expected ${list(names)}\nreceived ${received}\n${JSON.stringify(entries, null, 1)}`);
    }
    const failures = entries.filter(({ kind }) => kind === "refused" || kind === "trouble");
    if (failures.length > 0) throw new Error(`Mixpanel rejected ${JSON.stringify(failures)}`);
    return events;
  }

  // Notes of the strategies that accepted calls.
  async acceptedNotes() {
    const notes = (await this.entries()).filter(({ kind, note }) => kind === "note" && !note.declined);
    return notes.map(({ note }) => note);
  }
}
