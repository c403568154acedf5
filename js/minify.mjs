// Minifies the scripts that the server writes into pages. Run `npm run minify` after changing their sources.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

import { minify } from "terser";

export const SCRIPTS = ["loader", "visit", "silent"];

const path = (name) => fileURLToPath(new URL(`../mengpaneel/src/browser/${name}`, import.meta.url));

export const committed = (name) => readFileSync(path(`${name}.min.js`), "utf8");

// Returns a function expression in parentheses, ready to be called.
export async function minifyScript(name) {
  const options = { ecma: 2015, compress: { expression: true, passes: 3, unsafe_arrows: true }, mangle: true };
  const { code } = await minify(readFileSync(path(`${name}.js`), "utf8"), options);
  return `(${code.replace(/;$/, "")})`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const name of SCRIPTS) writeFileSync(path(`${name}.min.js`), await minifyScript(name));
}
