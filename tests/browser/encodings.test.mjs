// The premise of mengpaneel/src/browser/charset.rs: in every encoding that it calls safe, Chromium reads the
// bytes of a block as ASCII, whatever stands before them; in ISO-2022-JP it does not.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { launch } from "./visitor.mjs";

const leads = {
  "utf-8": ["e2", "e280", "f09f98"],
  shift_jis: ["81", "fc"],
  "euc-jp": ["a4", "8f", "8fa1", "8e"],
  "euc-kr": ["b0"],
  gbk: ["81", "8130", "813081"],
  gb18030: ["81", "8130", "813081"],
  big5: ["81", "a4"],
  "windows-1252": ["ff"],
  "x-user-defined": ["ff"],
  "iso-8859-8-i": ["ff"],
  ibm866: ["ff"],
  macintosh: ["ff"],
  "koi8-u": ["ff"],
};
const value = '"});window.bad=1;//<é';
const script = '<script>window.ran = "\\"});window.bad=1;//\\u003c\\u00e9";</script>';

let server, browser, page, shown;

before(async () => {
  server = createServer((_, response) => {
    response.writeHead(200, { "content-type": shown.type });
    response.end(shown.body);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  browser = await launch();
  page = await browser.newPage();
});
after(async () => {
  await browser?.close();
  server?.close();
});

async function show(type, ...parts) {
  shown = { type, body: Buffer.concat(parts.map((part) => Buffer.from(part))) };
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  return page.evaluate(() => [window.ran, window.bad, document.characterSet]);
}

for (const [label, all] of Object.entries(leads)) {
  test(`${label} reads a block as ASCII behind a lone lead byte`, async () => {
    for (const lead of all.map((hex) => Buffer.from(hex, "hex"))) {
      const page = ["<title>x", lead, "</title>", lead, script, "</head>"];
      const declared = await show(`text/html; charset=${label}`, "<!doctype html><head>", ...page);
      assert.deepEqual(declared.slice(0, 2), [value, undefined], `${label} in the header`);
      const meta = await show("text/html", `<!doctype html><head><meta charset=${label}>`, ...page);
      assert.deepEqual(meta.slice(0, 2), [value, undefined], `${label} in a meta tag`);
    }
  });
}

test("ISO-2022-JP reads another block", async () => {
  const page = ["<title>\x1b(J</title>", script, "</head>"];
  for (const [type, head] of [["text/html; charset=iso-2022-jp", ""], ["text/html", "<meta charset=iso-2022-jp>"]]) {
    const [ran, , charset] = await show(type, `<!doctype html><head>${head}`, ...page);
    assert.equal(charset, "ISO-2022-JP");
    assert.notEqual(ran, value);
  }
});
