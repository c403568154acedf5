// The package as applications import it: by its own name, as its `exports` say.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import mengpaneel, { start } from "mengpaneel";

const packageJson = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

test("import gives start, by name and by default", () => {
  assert.equal(typeof start, "function");
  assert.equal(mengpaneel.start, start);
});

test("require gives start", () => {
  const { start } = createRequire(import.meta.url)("mengpaneel");
  assert.equal(typeof start, "function");
});

test("start reaches the page's script", () => {
  const { start } = createRequire(import.meta.url)("mengpaneel");
  const seen = [];
  globalThis.window = { mengpaneel: { start: (...given) => seen.push(given) } };
  try {
    start("instance", "billing");
    mengpaneel.start("instance");
  } finally {
    delete globalThis.window;
  }
  assert.deepEqual(seen, [["instance", "billing"], ["instance", undefined]]);
});

test("every file that package.json names is published", () => {
  const named = JSON.stringify([packageJson.main, packageJson.module, packageJson.types, packageJson.exports]);
  for (const [, name] of named.matchAll(/"\.\/([^"]+)"/g)) {
    assert.ok(packageJson.files.includes(name), name);
  }
  for (const name of packageJson.files) assert.ok(existsSync(new URL(`../${name}`, import.meta.url)), name);
});
