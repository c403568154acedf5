// Completeness of the guide's table of mixpanel-js options.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

test("guide/privacy.md lists every option of mixpanel-js", () => {
  const source = read("../node_modules/mixpanel-browser/dist/mixpanel.cjs.js");
  const [, config] = source.match(/var DEFAULT_CONFIG = \{\n([^]*?)\n\};/);
  const options = [...config.matchAll(/^ *'([a-z_]+)':/gm)].map(([, name]) => name);
  assert.ok(options.length > 60 && options.includes("property_blacklist"));
  const listed = [...read("../../mengpaneel/src/guide/privacy.md").matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(options.filter((name) => !listed.includes(name)), []);
});
