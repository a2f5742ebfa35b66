// The objects of a PDF file. Dictionaries are Maps, arrays are arrays, strings are Uint8Arrays, numbers are numbers.

const MAX_DEPTH = 100; // of arrays and dictionaries in each other

/** A PDF file that cannot be read. The message is a clause for visitors, about the file: "is damaged". */
export class PdfError extends Error {}

/** A name: `/Type` has the value "Type". */
export class Name {
  constructor(value) {
    this.value = value;
  }
}

/** A word that is no object: an operator of a page, or `obj`, `stream`, `R`. */
export class Keyword {
  constructor(value) {
    this.value = value;
  }
}

/** A reference to the object with a number. */
export class Reference {
  constructor(number) {
    this.number = number;
  }
}

/** A dictionary with bytes, which its filters encode. */
export class Stream {
  constructor(dictionary, bytes) {
    this.dictionary = dictionary;
    this.bytes = bytes;
  }
}

export const END = new Keyword("");
const CLOSE_ARRAY = new Keyword("]");
const CLOSE_DICTIONARY = new Keyword(">>");

const SPACES = new Set([0, 9, 10, 12, 13, 32]);
const DELIMITERS = new Set([..."()<>[]{}/%"].map((character) => character.charCodeAt(0)));
const CONSTANTS = new Map([["true", true], ["false", false], ["null", null]]);
const ESCAPES = { n: 10, r: 13, t: 9, b: 8, f: 12 };
const CARRIAGE_RETURN = 13;
const LINE_FEED = 10;

/** Return bytes as a text of the same length, one character for each. */
export function asLatin(bytes) {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 0x2000) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 0x2000)));
  return pieces.join("");
}

/** Reader of objects. With `references` it reads `1 0 R` as a reference; pages have none. */
export class ObjectReader {
  constructor(bytes, at = 0, references = true) {
    this.bytes = bytes;
    this.at = at;
    this.references = references;
  }

  /** Return the next object or keyword; END after the last one. */
  read(depth = 0) {
    if (depth > MAX_DEPTH) throw new PdfError("is damaged");
    this.skipSpace();
    if (this.at >= this.bytes.length) return END;
    const character = String.fromCharCode(this.bytes[this.at]);
    if (character === "/") return this.#name();
    if (character === "(") return this.#text();
    if (character === "[") return this.#array(depth);
    if (character === "<") return this.bytes[this.at + 1] === 0x3c ? this.#dictionary(depth) : this.#hexadecimal();
    if (character === "]") return this.#skip(1, CLOSE_ARRAY);
    if (character === ">") return this.#skip(this.bytes[this.at + 1] === 0x3e ? 2 : 1, CLOSE_DICTIONARY);
    if ("){}".includes(character)) return this.#skip(1, new Keyword(character));
    return this.#word();
  }

  skipSpace() {
    const { bytes } = this;
    for (;;) {
      while (SPACES.has(bytes[this.at])) this.at += 1;
      if (bytes[this.at] !== 0x25) return; // a comment
      while (this.at < bytes.length && bytes[this.at] !== CARRIAGE_RETURN && bytes[this.at] !== LINE_FEED) this.at += 1;
    }
  }

  /** Go behind the line end that follows the keyword `stream`. */
  skipLineEnd() {
    if (this.bytes[this.at] === CARRIAGE_RETURN) this.at += 1;
    if (this.bytes[this.at] === LINE_FEED) this.at += 1;
  }

  #skip(count, result) {
    this.at += count;
    return result;
  }

  #token() {
    const begin = this.at;
    const { bytes } = this;
    while (this.at < bytes.length && !SPACES.has(bytes[this.at]) && !DELIMITERS.has(bytes[this.at])) this.at += 1;
    return asLatin(bytes.subarray(begin, this.at));
  }

  #name() {
    this.at += 1;
    return new Name(this.#token().replaceAll(/#([0-9a-f]{2})/gi, (_, code) => String.fromCharCode(Number.parseInt(code, 16))));
  }

  #word() {
    const word = this.#token();
    if (/^[-+.\d]/.test(word)) return this.#number(word);
    return CONSTANTS.has(word) ? CONSTANTS.get(word) : new Keyword(word);
  }

  #number(word) {
    const number = Number.parseFloat(word.replace(/^[-+]*(?=[-+])/, "")) || 0;
    if (!this.references || !/^\d+$/.test(word)) return number;
    const { at } = this;
    this.skipSpace();
    if (/^\d+$/.test(this.#token())) {
      this.skipSpace();
      if (this.#token() === "R") return new Reference(number);
    }
    this.at = at;
    return number;
  }

  #text() {
    const { bytes } = this;
    const found = [];
    let open = 1;
    for (this.at += 1; this.at < bytes.length; this.at += 1) {
      const byte = bytes[this.at];
      if (byte === 0x28) open += 1;
      if (byte === 0x29 && --open === 0) break;
      if (byte === 0x5c) this.#escape(found);
      else found.push(byte);
    }
    this.at += 1;
    return Uint8Array.from(found);
  }

  #escape(found) {
    this.at += 1;
    const byte = this.bytes[this.at];
    const octal = /^[0-7]{1,3}/.exec(asLatin(this.bytes.subarray(this.at, this.at + 3)))?.[0];
    if (octal) {
      found.push(Number.parseInt(octal, 8) & 255);
      this.at += octal.length - 1;
    } else if (byte === CARRIAGE_RETURN) {
      if (this.bytes[this.at + 1] === LINE_FEED) this.at += 1; // no line end in the text
    } else if (byte !== LINE_FEED && byte !== undefined) {
      found.push(ESCAPES[String.fromCharCode(byte)] ?? byte);
    }
  }

  #hexadecimal() {
    const end = this.bytes.indexOf(0x3e, this.at);
    const digits = asLatin(this.bytes.subarray(this.at + 1, end < 0 ? this.bytes.length : end)).replaceAll(/[^0-9a-f]/gi, "");
    this.at = end < 0 ? this.bytes.length : end + 1;
    return Uint8Array.from({ length: Math.ceil(digits.length / 2) }, (_, index) => Number.parseInt(digits.slice(2 * index, 2 * index + 2).padEnd(2, "0"), 16));
  }

  #array(depth) {
    this.at += 1;
    const items = [];
    for (;;) {
      const item = this.read(depth + 1);
      if (item === CLOSE_ARRAY || item === END) return items;
      items.push(item);
    }
  }

  #dictionary(depth) {
    this.at += 2;
    const found = new Map();
    for (;;) {
      const key = this.read(depth + 1);
      if (key === CLOSE_DICTIONARY || key === END) return found;
      if (!(key instanceof Name)) continue;
      const value = this.read(depth + 1);
      if (value === CLOSE_DICTIONARY || value === END) return found;
      found.set(key.value, value);
    }
  }
}
