import assert from "node:assert/strict";
import { test } from "node:test";

import { committed, minifyScript, SCRIPTS } from "../minify.mjs";

for (const name of SCRIPTS) {
  test(`${name}.min.js is up to date with ${name}.js`, async () => {
    assert.equal(committed(name), await minifyScript(name), "run `npm run minify`");
  });
}
