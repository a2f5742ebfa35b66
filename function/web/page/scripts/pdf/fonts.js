import { asLatin, END, Keyword, Name, ObjectReader, Stream } from "./objects.js";
import { encodingTexts, glyphText } from "./glyphs.js";

const MAX_MAPPED_CODES = 200_000; // of one font
const USUAL_WIDTH = 0.5; // of a character's height, where a font states none
const HELVETICA = "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584";
const TIMES = "250 333 408 500 500 833 778 180 333 333 500 564 250 333 250 278 500 500 500 500 500 500 500 500 500 500 278 278 564 564 564 444 921 722 667 667 722 611 556 722 722 333 389 722 611 889 722 722 556 722 667 556 611 722 722 944 722 722 611 333 278 333 469 500 333 444 500 444 500 444 333 500 500 278 278 500 278 778 500 500 500 500 333 389 278 500 500 722 500 500 444 480 200 480 541";
// Encodings of East Asian fonts, by a part of their name.
/** @type {[RegExp, string][]} */
const DECODERS = [
  [/UCS2|UTF16/, "utf-16be"],
  [/RKSJ/, "shift_jis"],
  [/EUC-H|EUC-V/, "euc-jp"],
  [/GBK|GBpc|GB-/, "gbk"],
  [/B5|ETen/, "big5"],
  [/KSC/, "euc-kr"],
];
const COMPUTER_MODERN = /(?:^|\+)CM(?!SY|MI|EX)[A-Z]+\d/; // TeX's fonts for text
const LIGATURES = /[\ufb00-\ufb06]/g;

/** Read a font; returns `{decode}`, which takes a string's bytes and returns `{text, width, space}` for each character. */
export async function readFont(document, font) {
  const composite = (await document.get(font, "Subtype"))?.value === "Type0";
  const toUnicode = await document.get(font, "ToUnicode");
  const map = toUnicode instanceof Stream ? readCodeMap(await document.decode(toUnicode)) : null;
  const decode = composite ? await compositeDecoder(document, font, map) : await simpleDecoder(document, font, map);
  return { decode };
}

async function simpleDecoder(document, font, map) {
  const texts = await simpleTexts(document, font);
  const widths = await simpleWidths(document, font);
  return (bytes) =>
    Array.from(bytes, (code) => ({ text: clean(map?.texts.get(code) ?? texts[code] ?? null), width: widths(code), space: code === 32 }));
}

async function simpleTexts(document, font) {
  const encoding = await document.get(font, "Encoding");
  const named = encoding instanceof Name ? encoding.value : (await document.get(encoding, "BaseEncoding"))?.value;
  const base = (await document.get(font, "BaseFont"))?.value ?? "";
  const texts = encodingTexts(named ?? (/Symbol/.test(base) ? "Symbol" : COMPUTER_MODERN.test(base) ? "OT1" : "StandardEncoding"));
  if (!named) for (const [code, name] of await builtInNames(document, font)) texts[code] = glyphText(name);
  let code = 0;
  for (const item of await document.list(encoding, "Differences")) {
    if (typeof item === "number") code = item;
    else if (item instanceof Name && code < 256) texts[code++] = glyphText(item.value);
  }
  return texts;
}

/** The codes and glyph names that a Type 1 font program states in clear text. */
async function builtInNames(document, font) {
  const program = await document.get(await document.dictionary(font, "FontDescriptor"), "FontFile");
  if (!(program instanceof Stream)) return [];
  const clear = asLatin(await document.decode(program)).split("eexec", 1)[0];
  return [...clear.matchAll(/dup\s+(\d{1,3})\s*\/([^\s/]+)\s+put/g)].map(([, code, name]) => [Number(code), name]);
}

async function simpleWidths(document, font) {
  const first = Number(await document.get(font, "FirstChar")) || 0;
  const widths = await document.list(font, "Widths");
  const base = (await document.get(font, "BaseFont"))?.value ?? "";
  const missing = Number(await document.get(await document.dictionary(font, "FontDescriptor"), "MissingWidth")) || 0;
  const matrix = (await document.get(font, "Subtype"))?.value === "Type3" ? await document.list(font, "FontMatrix") : [];
  const scale = typeof matrix[0] === "number" ? matrix[0] : 0.001;
  if (widths.length) return (code) => Number(widths[code - first] ?? missing) * scale || 0;
  if (/Courier/.test(base)) return () => 0.6;
  const known = (/Times/.test(base) ? TIMES : HELVETICA).split(" ").map(Number);
  return (code) => (known[code - 32] ?? 1000 * USUAL_WIDTH) / 1000;
}

async function compositeDecoder(document, font, map) {
  const [descendant] = await document.list(font, "DescendantFonts");
  const widths = await compositeWidths(document, descendant);
  const encoding = await document.get(font, "Encoding");
  const name = encoding instanceof Name ? encoding.value : "";
  const decoder = map ? null : DECODERS.find(([pattern]) => pattern.test(name))?.[1];
  if (decoder) {
    return (bytes) => [...new TextDecoder(decoder).decode(bytes)].map((text) => ({ text, width: text < "\u2000" ? 0.5 : 1, space: false }));
  }
  const codes = encoding instanceof Stream ? readCodeMap(await document.decode(encoding)) : null;
  const lengths = codes?.lengths.size ? codes.lengths : /^Identity/.test(name) || !map?.lengths.size ? new Map([[2, [[0, 0xffff]]]]) : map.lengths;
  return (bytes) => splitCodes(bytes, lengths).map((code) => ({ text: clean(map?.texts.get(code) ?? null), width: widths(code), space: false }));
}

/** Split a string into codes of the lengths that a map states: `lengths` has the ranges of codes by their length in bytes. */
function splitCodes(bytes, lengths) {
  const shortest = Math.min(...lengths.keys());
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    let code = 0;
    let length = 0;
    do {
      code = code * 256 + bytes[at + length];
      length += 1;
    } while (length < 4 && at + length < bytes.length && !lengths.get(length)?.some(([low, high]) => code >= low && code <= high));
    const known = lengths.get(length)?.some(([low, high]) => code >= low && code <= high);
    if (!known) {
      length = shortest;
      code = bytes.subarray(at, at + length).reduce((sum, byte) => sum * 256 + byte, 0);
    }
    found.push(code);
    at += length;
  }
  return found;
}

async function compositeWidths(document, descendant) {
  const usual = Number((await document.get(descendant, "DW")) ?? 1000) / 1000;
  const list = await document.list(descendant, "W");
  const widths = new Map();
  for (let at = 0; at < list.length && widths.size < MAX_MAPPED_CODES; ) {
    const [first, second, third] = list.slice(at, at + 3);
    if (Array.isArray(second)) {
      second.forEach((width, index) => widths.set(first + index, Number(width) / 1000));
      at += 2;
    } else {
      for (let code = first; code <= Math.min(second, first + 0xffff); code += 1) widths.set(code, Number(third) / 1000);
      at += 3;
    }
  }
  return (code) => widths.get(code) ?? usual;
}

/** Read a map from codes to text: `{texts, lengths}`, the lengths being those of `splitCodes`. */
export function readCodeMap(bytes) {
  const reader = new ObjectReader(bytes, 0, false);
  const texts = new Map();
  const lengths = new Map();
  let operands = [];
  for (let item = reader.read(); item !== END; item = reader.read()) {
    if (!(item instanceof Keyword)) {
      operands.push(item);
      continue;
    }
    if (item.value === "endcodespacerange") addLengths(lengths, operands);
    if (item.value === "endbfchar") addCharacters(texts, operands);
    if (item.value === "endbfrange") addRanges(texts, operands);
    operands = [];
    if (texts.size > MAX_MAPPED_CODES) break;
  }
  return { texts, lengths };
}

const isBytes = (value) => value instanceof Uint8Array;
const number = (bytes) => bytes.reduce((sum, byte) => sum * 256 + byte, 0);
const utf16 = (bytes) => (bytes.length === 1 ? String.fromCharCode(bytes[0]) : new TextDecoder("utf-16be").decode(bytes));

function addLengths(lengths, operands) {
  for (let at = 0; at + 1 < operands.length; at += 2) {
    const [low, high] = operands.slice(at, at + 2);
    if (!isBytes(low) || !isBytes(high) || !low.length || low.length > 4) continue;
    lengths.set(low.length, [...(lengths.get(low.length) ?? []), [number(low), number(high)]]);
  }
}

function addCharacters(texts, operands) {
  for (let at = 0; at + 1 < operands.length; at += 2) {
    const [code, text] = operands.slice(at, at + 2);
    if (isBytes(code) && isBytes(text)) texts.set(number(code), utf16(text));
    else if (isBytes(code) && text instanceof Name) texts.set(number(code), glyphText(text.value));
  }
}

function addRanges(texts, operands) {
  for (let at = 0; at + 2 < operands.length; at += 3) {
    const [low, high, text] = operands.slice(at, at + 3);
    if (!isBytes(low) || !isBytes(high)) continue;
    const first = number(low);
    const count = Math.min(number(high) - first, 0xffff);
    for (let index = 0; index <= count && texts.size <= MAX_MAPPED_CODES; index += 1) {
      if (Array.isArray(text)) {
        if (isBytes(text[index])) texts.set(first + index, utf16(text[index]));
      } else if (isBytes(text) && text.length) {
        const begin = utf16(text);
        const last = begin.codePointAt(begin.length > 1 && begin.codePointAt(begin.length - 2) > 0xffff ? begin.length - 2 : begin.length - 1);
        const kept = begin.slice(0, begin.length - String.fromCodePoint(last).length);
        texts.set(first + index, kept + String.fromCodePoint(Math.min(last + index, 0x10ffff)));
      }
    }
  }
}

/** A glyph's text without ligatures and control characters; null for none. */
export function clean(text) {
  if (!text) return null;
  const plain = text.replaceAll(LIGATURES, (ligature) => ligature.normalize("NFKC")).replaceAll("\u00a0", " ").replaceAll("\u00ad", "-");
  // eslint-disable-next-line no-control-regex -- fonts map unused codes to them
  return plain.replaceAll(/[\0-\x1f\x7f\ufffd\ufffe]/g, "") || null;
}
