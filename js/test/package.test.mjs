// Exports of the package, as applications import them.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import mengpaneel, { start } from "mengpaneel";

const packageJson = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

test("import exports start, by name and by default", () => {
  assert.equal(typeof start, "function");
  assert.equal(mengpaneel.start, start);
});

test("require exports start", () => {
  const { start } = createRequire(import.meta.url)("mengpaneel");
  assert.equal(typeof start, "function");
});

test("start calls the page's script", () => {
  const { start } = createRequire(import.meta.url)("mengpaneel");
  const calls = [];
  globalThis.window = { mengpaneel: { start: (...args) => calls.push(args) } };
  try {
    start("instance", "billing");
    mengpaneel.start("instance");
  } finally {
    delete globalThis.window;
  }
  assert.deepEqual(calls, [["instance", "billing"], ["instance", undefined]]);
});

test("package.json publishes every file that it names", () => {
  const named = JSON.stringify([packageJson.main, packageJson.module, packageJson.types, packageJson.exports]);
  for (const [, name] of named.matchAll(/"\.\/([^"]+)"/g)) {
    assert.ok(packageJson.files.includes(name), name);
  }
  for (const name of packageJson.files) assert.ok(existsSync(new URL(`../${name}`, import.meta.url)), name);
});
