// A process that serves pages (the blog, or the pages of a test), what reached its Mixpanel, and the
// host that browsers load scripts from.
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

// How long a test waits for what is to come.
export const DEADLINE = 30_000;

// The library as npm has it.
export const script = (path) => file(SCRIPTS[path]);

// A host of scripts, as a CDN is: another origin, which lets them be kept.
export async function startCdn() {
  const server = createServer((request, response) => {
    const found = SCRIPTS[request.url];
    response.writeHead(found ? 200 : 404, {
      "Content-Type": "text/javascript",
      "Cache-Control": "max-age=3600",
      "Access-Control-Allow-Origin": "*",
    });
    response.end(found ? file(found) : "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, stop: () => server.close() };
}

// Starts the program and waits until it listens.
export async function start(name, variables) {
  const program = process.env.BIN_DIR ? `${process.env.BIN_DIR}/${name}` : target + name;
  const child = spawn(program, { env: { ...process.env, BIND: "127.0.0.1:0", ...variables }, stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}`)));
  });
  let mixpanel;
  const listening = (async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      mixpanel = line.match(/^mixpanel on (\S+)/)?.[1] ?? mixpanel;
      const found = line.match(/^listening on (\S+)/);
      if (found) return found[1];
    }
    throw new Error(`${program} said nothing`);
  })();
  failed.catch(() => {});
  const url = await Promise.race([listening, failed]);
  child.stdout.resume();
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  };
  return new Site(url, mixpanel ?? url, stop);
}

// A running process, and the Mixpanel that shows what reached it.
export class Site {
  constructor(url, mixpanel, stop) {
    this.url = url;
    this.mixpanel = mixpanel;
    this.stop = stop;
    this.seen = 0;
    this.counted = new Set();
  }

  async #entries() {
    const answer = await fetch(`${this.mixpanel}/live.json?after=${this.seen}`);
    return answer.json();
  }

  // What came before counts no more, nor does a copy of it that comes later.
  async forget() {
    for (const [key] of await this.#events()) this.counted.add(key);
    const entries = await this.#entries();
    this.seen = Math.max(this.seen, ...entries.map(([number]) => number));
  }

  // Everything that reached Mixpanel.
  async received() {
    return (await this.#entries()).map(([, entry]) => entry);
  }

  // The events by what makes Mixpanel count two as one: event, insert ID, time and distinct ID. Those
  // of mixpanel-js itself ($identify …) are left out.
  async #events() {
    const found = new Map();
    for (const entry of await this.received()) {
      if (entry.kind !== "event" || entry.what.startsWith("$")) continue;
      const key = JSON.stringify([entry.what, entry.insert_id, entry.time, entry.whom]);
      if (!this.counted.has(key)) found.set(key, entry);
    }
    return found;
  }

  // The events, each once, as they happened.
  async events() {
    return [...(await this.#events()).values()].sort((a, b) => a.time - b.time);
  }

  // Waits until as many events arrived, lets the browser go, and gives what arrived.
  async await_at_least(names, browser_is_gone = async () => {}) {
    const until = Date.now() + DEADLINE;
    while ((await this.events()).length < names.length && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await browser_is_gone();
    return this.events();
  }

  // Waits until these events, in any order, are what arrived. What else arrives is a failure.
  async await_events(names, browser_is_gone) {
    const events = await this.await_at_least(names, browser_is_gone);
    const received = await this.received();
    const listed = (names) => [...names].sort().join(", ");
    const got = listed(events.map(({ what }) => what));
    if (got !== listed(names)) {
      throw new Error(`wanted ${listed(names)}\ngot    ${got}\n${JSON.stringify(received, null, 1)}`);
    }
    const troubles = received.filter(({ kind }) => kind === "refused" || kind === "trouble");
    if (troubles.length > 0) throw new Error(`Mixpanel refused ${JSON.stringify(troubles)}`);
    return events;
  }

  // By which strategy each set of calls left.
  async strategies() {
    const notes = (await this.received()).filter(({ kind, note }) => kind === "note" && !note.declined);
    return notes.map(({ note }) => note);
  }
}
