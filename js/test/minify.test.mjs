import assert from "node:assert/strict";
import { test } from "node:test";

import { kept, minified, SCRIPTS } from "../minify.mjs";

for (const name of SCRIPTS) {
  test(`${name}.min.js is ${name}.js, made small`, async () => {
    assert.equal(kept(name), await minified(name), "say `npm run minify`");
  });
}
