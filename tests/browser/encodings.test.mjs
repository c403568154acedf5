// Assumption of mengpaneel/src/browser/charset.rs: in every encoding in its safe list, Chromium decodes a
// snippet as ASCII, whatever bytes precede it. In ISO-2022-JP it does not.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { launch } from "./visitor.mjs";

const leadBytes = {
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
const expected = '"});window.bad=1;//<é';
const script = '<script>window.ran = "\\"});window.bad=1;//\\u003c\\u00e9";</script>';

let server, browser, page, served;

before(async () => {
  server = createServer((_, response) => {
    response.writeHead(200, { "content-type": served.type });
    response.end(served.body);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  browser = await launch();
  page = await browser.newPage();
});
after(async () => {
  await browser?.close();
  server?.close();
});

// Opens a page with this content type. Returns the string that its script assigned, a sign of broken out code,
// and the page's encoding.
async function open(type, ...parts) {
  served = { type, body: Buffer.concat(parts.map((part) => Buffer.from(part))) };
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  return page.evaluate(() => [window.ran, window.bad, document.characterSet]);
}

for (const [label, all] of Object.entries(leadBytes)) {
  test(`${label} decodes a snippet as ASCII after a lone lead byte`, async () => {
    for (const lead of all.map((hex) => Buffer.from(hex, "hex"))) {
      const page = ["<title>x", lead, "</title>", lead, script, "</head>"];
      const declared = await open(`text/html; charset=${label}`, "<!doctype html><head>", ...page);
      assert.deepEqual(declared.slice(0, 2), [expected, undefined], `${label} in the header`);
      const meta = await open("text/html", `<!doctype html><head><meta charset=${label}>`, ...page);
      assert.deepEqual(meta.slice(0, 2), [expected, undefined], `${label} in a meta tag`);
    }
  });
}

test("ISO-2022-JP decodes a different snippet", async () => {
  const page = ["<title>\x1b(J</title>", script, "</head>"];
  for (const [type, head] of [["text/html; charset=iso-2022-jp", ""], ["text/html", "<meta charset=iso-2022-jp>"]]) {
    const [ran, , charset] = await open(type, `<!doctype html><head>${head}`, ...page);
    assert.equal(charset, "ISO-2022-JP");
    assert.notEqual(ran, expected);
  }
});
