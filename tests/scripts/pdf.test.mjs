// Text of PDF files: those of other programs, and hostile ones.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { ascii85, asciiHex, lzw, runLength, unpredict } from "../../function/web/page/scripts/pdf/filters.js";
import { readCodeMap } from "../../function/web/page/scripts/pdf/fonts.js";
import { encodingTexts, glyphText } from "../../function/web/page/scripts/pdf/glyphs.js";
import { PdfError } from "../../function/web/page/scripts/pdf/objects.js";
import { pdfText } from "../../function/web/page/scripts/pdf/text.js";

const PDFS = new URL("../page/pdfs/", import.meta.url);
const file = (name) => new Uint8Array(readFileSync(new URL(name, PDFS)));
const latin = (text) => Uint8Array.from(Buffer.from(text, "latin1"));
const BOATS = "Grüße aus Łódź: Бумага плавает. Ναι! Offices finish flying.\nSecond line.\n\nA new paragraph.";

/** Return a file with `objects`, texts or `[dictionary, data]` by number, and a table of them. */
function pdf(objects, { root = 1, trailer = "" } = {}) {
  let text = "%PDF-1.7\n";
  const offsets = [];
  for (const [number, object] of Object.entries(objects)) {
    offsets.push([number, text.length]);
    const [dictionary, data] = Array.isArray(object) ? object : [object, null];
    const stream = data === null ? "" : `\nstream\n${Buffer.from(data).toString("latin1")}\nendstream`;
    text += `${number} 0 obj\n${dictionary}${stream}\nendobj\n`;
  }
  const table = text.length;
  const rows = offsets.map(([number, offset]) => `${number} 1\n${String(offset).padStart(10, "0")} 00000 n \n`);
  text += `xref\n${rows.join("")}trailer\n<</Root ${root} 0 R ${trailer}>>\nstartxref\n${table}\n%%EOF\n`;
  return latin(text);
}

/** Return a file with one page that draws `content`, with `resources` and further objects from number 5 on. */
function page(content, { resources = "", filter = "", objects = {} } = {}) {
  const data = typeof content === "string" ? latin(content) : content;
  return pdf({
    1: "<</Type/Catalog/Pages 2 0 R>>",
    2: "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    3: `<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>${resources}>>>>`,
    4: [`<</Length ${data.length}${filter}>>`, data],
    ...objects,
  });
}

const rejects = (bytes, pattern, options) => assert.rejects(pdfText(bytes, options), (error) => error instanceof PdfError && pattern.test(error.message));

test("a file of ReportLab has its lines, words and characters", async () => {
  const { text, pages, empty } = await pdfText(file("reportlab.pdf"));
  assert.equal(
    text,
    "Paper boats\nA boat of paper floats until it is soaked. It costs 12 € and weighs 3 g; “fine” – said Zoë.\nPaper Weight\n\nthin 60 g\n\nthick 120 g",
  );
  assert.deepEqual([pages, empty], [1, 0]);
});

for (const name of ["fpdf2.pdf", "qpdf-object-streams.pdf"]) {
  test(`${name} has the characters of an embedded font`, async () => {
    assert.equal((await pdfText(file(name))).text, BOATS);
  });
}

test("a scan has a page and no text", async () => {
  assert.deepEqual(await pdfText(file("pillow-scan.pdf")), { text: "", pages: 1, empty: 1 });
});

test("an encrypted file is named so", () => rejects(file("qpdf-encrypted.pdf"), /is encrypted/));

test("bytes that are no PDF file are named so", () => rejects(latin("Dear Zoë"), /is not a PDF file/));

test("a file without its table of objects is read all the same", async () => {
  for (const name of ["reportlab.pdf", "fpdf2.pdf", "qpdf-object-streams.pdf"]) {
    const whole = await pdfText(file(name));
    const damaged = Buffer.from(file(name)).toString("latin1").replaceAll("startxref", "startyref");
    assert.equal((await pdfText(latin(damaged))).text, whole.text, name);
  }
});

test("a truncated or altered file gives text or a PdfError", async () => {
  let random = 7;
  const next = (limit) => (random = (random * 48271) % 0x7fffffff) % limit;
  for (const name of readdirSync(PDFS).filter((each) => each.endsWith(".pdf"))) {
    const whole = file(name);
    for (let round = 0; round < 40; round += 1) {
      const bytes = round % 2 ? whole.slice(0, next(whole.length)) : whole.slice();
      if (round % 2 === 0) for (let count = 0; count < 20; count += 1) bytes[next(bytes.length)] = next(256);
      try {
        assert.equal(typeof (await pdfText(bytes, { maxSeconds: 5 })).text, "string");
      } catch (error) {
        assert.ok(error instanceof PdfError, `${name} ${round}: ${error.stack}`);
      }
    }
  }
});

test("operators place text into words and lines", async () => {
  const content = "BT /F 10 Tf 20 700 Td (One) Tj 25 0 Td (two) Tj T* 12 TL T* [(th) -20 (ree) -400 (four)] TJ (five) ' 1 0 0 1 20 500 Tm (A \\(b\\)\\101) Tj ET";
  assert.equal((await pdfText(page(content))).text, "One two\nthree four\nfive\n\nA (b)A");
});

test("text of a mark replaces what is drawn", async () => {
  const content = "BT /F 10 Tf 20 700 Td /Span<</ActualText(office)>>BDC (o\\014ce) Tj EMC ( hours) Tj ET";
  assert.equal((await pdfText(page(content))).text, "office hours");
});

test("forms draw text, and images among operators do not disturb", async () => {
  const form = "BT /F 10 Tf (in a form) Tj ET";
  const content = "BI /W 1 /H 1 ID (EI ) \x01 EI /X Do";
  const bytes = page(content, { resources: "/XObject<</X 5 0 R>>", objects: { 5: [`<</Type/XObject/Subtype/Form/Length ${form.length}>>`, form] } });
  assert.equal((await pdfText(bytes)).text, "in a form");
});

test("a bomb ends with a sentence", async () => {
  const zeros = deflateSync(Buffer.alloc(60_000_000), { level: 9 });
  await rejects(page(zeros, { filter: "/Filter/FlateDecode" }), /too large when it is unpacked/);
  const twice = deflateSync(zeros, { level: 9 });
  await rejects(page(twice, { filter: "/Filter[/FlateDecode/FlateDecode]" }), /too large when it is unpacked/);
});

test("objects that lead to themselves end", async () => {
  const selfish = { 1: "<</Type/Catalog/Pages 2 0 R>>", 2: "<</Type/Pages/Kids[2 0 R 3 0 R]>>", 3: "<</Type/Pages/Kids[2 0 R]>>" };
  await rejects(pdf(selfish), /is damaged/);
  await rejects(pdf({ 1: "<</Type/Catalog/Pages 2 0 R>>", 2: "3 0 R", 3: "2 0 R" }), /is damaged/);
  const loop = "BT /F 10 Tf (x) Tj ET /X Do";
  const drawn = page(loop, { resources: "/XObject<</X 5 0 R>>", objects: { 5: [`<</Subtype/Form/Length 5 0 R>>`, loop] } });
  assert.match((await pdfText(drawn)).text, /x/);
  const tables = pdf({ 1: "<</Type/Catalog/Pages 2 0 R>>", 2: "<</Type/Pages/Kids[]>>" }, { trailer: "/Prev 9" });
  await rejects(tables, /is damaged/);
});

test("forms that draw forms without end run out of time", async () => {
  const draws = "/X Do ".repeat(20);
  const objects = {};
  for (let number = 5; number < 14; number += 1) objects[number] = [`<</Subtype/Form/Resources<</XObject<</X ${number + 1} 0 R>>>>/Length ${draws.length}>>`, draws];
  await rejects(page("/X Do", { resources: "/XObject<</X 5 0 R>>", objects }), /takes too long/, { maxSeconds: 0.3 });
});

test("deep nesting is rejected", () => rejects(page("[".repeat(100_000)), /is damaged/));

test("text without stated characters is not guessed", async () => {
  const resources = "/Font<</G<</Type/Font/Subtype/Type0/Encoding/Identity-H/DescendantFonts[<</DW 1000>>]>>>>";
  const content = latin("BT /G 10 Tf <00010002> Tj ET");
  const made = pdf({
    1: "<</Type/Catalog/Pages 2 0 R>>",
    2: `<</Type/Pages/Kids[3 0 R]/Resources<<${resources}>>>>`,
    3: "<</Type/Page/Contents 4 0 R>>",
    4: [`<</Length ${content.length}>>`, content],
  });
  await rejects(made, /does not state the characters/);
});

test("filters decode", () => {
  const budget = { bytes: 1000 };
  const text = (bytes) => Buffer.from(bytes).toString("latin1");
  assert.equal(text(asciiHex(latin("48 65 6C6c 6F>"))), "Hello");
  assert.equal(text(ascii85(latin("87cURD]i,\"Ebo80~>"))), "Hello World!");
  assert.equal(text(runLength(Uint8Array.of(1, 65, 66, 254, 67, 128), budget)), "ABCCC");
  // the example of the PDF specification, 7.4.4.2
  assert.deepEqual([...lzw(Uint8Array.of(0x80, 0x0b, 0x60, 0x50, 0x22, 0x0c, 0x0c, 0x85, 0x01), 1, budget)], [45, 45, 45, 45, 45, 65, 45, 45, 45, 66]);
  assert.deepEqual([...unpredict(Uint8Array.of(0, 1, 2, 2, 1, 1, 1, 5, 1), 2, 1)], [1, 2, 2, 3, 5, 6]);
});

test("glyph names and encodings have their characters", () => {
  assert.deepEqual(["A", "eacute", "Scaron", "fi", "uni20AC", "f_f_i", "a.alt", "alpha", "g17"].map(glyphText), ["A", "é", "Š", "fi", "€", "ffi", "a", "α", null]);
  assert.equal(encodingTexts("WinAnsiEncoding")[0x80], "€");
  assert.equal(encodingTexts("StandardEncoding")[0x27], "’");
  assert.equal(encodingTexts("MacRomanEncoding")[0x8a], "ä");
});

test("maps of codes have single codes, ranges and pairs", () => {
  const map = readCodeMap(
    latin("1 begincodespacerange <00> <7f> endcodespacerange 1 beginbfchar <01> <00660069> endbfchar 2 beginbfrange <02> <04> <0041> <05> <06> [<0058> <D83DDEF6>] endbfrange"),
  );
  assert.deepEqual([...map.texts], [[1, "fi"], [2, "A"], [3, "B"], [4, "C"], [5, "X"], [6, "🛶"]]);
  assert.deepEqual([...map.lengths], [[1, [[0, 0x7f]]]]);
});
