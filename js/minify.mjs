// What the server writes into pages, made small: `npm run minify` after a change of its sources.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

import { minify } from "terser";

export const SCRIPTS = ["loader", "visit", "silent"];

const path = (name) => fileURLToPath(new URL(`../mengpaneel/src/browser/${name}`, import.meta.url));

export const kept = (name) => readFileSync(path(`${name}.min.js`), "utf8");

// A function, to be called where it stands.
export async function minified(name) {
  const options = { ecma: 2015, compress: { expression: true, passes: 3, unsafe_arrows: true }, mangle: true };
  const { code } = await minify(readFileSync(path(`${name}.js`), "utf8"), options);
  return `(${code.replace(/;$/, "")})`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const name of SCRIPTS) writeFileSync(path(`${name}.min.js`), await minified(name));
}
