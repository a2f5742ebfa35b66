import { ascii85, asciiHex, inflate, lzw, runLength, unpredict } from "./filters.js";
import { asLatin, END, Keyword, Name, ObjectReader, PdfError, Reference, Stream } from "./objects.js";

const HEADER_BYTES = 1024; // the header is in the first of them
const TRAILER_BYTES = 2048; // the address of the table of objects is in the last of them
const MAX_OBJECTS = 1_000_000;
const MAX_TABLES = 1000;
const MAX_STREAM_BYTES = 50_000_000; // unpacked
const MAX_UNPACKED_BYTES = 300_000_000; // of all streams that text needs
const MAX_REFERENCES = 50; // from one reference to the next

/** A PDF file: its objects by number. */
export class PdfDocument {
  #bytes;
  #places = new Map(); // number: {offset} in the file, or {within, index} in a stream of objects
  #objects = new Map();
  #loading = new Set();
  #packed = new Map(); // number of a stream of objects: its objects
  #unpackedBytes = 0;
  trailer = new Map();

  constructor(bytes) {
    this.#bytes = bytes;
  }

  /** Open the file; throws PdfError. */
  static async open(bytes) {
    const header = asLatin(bytes.subarray(0, HEADER_BYTES)).indexOf("%PDF-");
    if (header < 0) throw new PdfError("is not a PDF file");
    const document = new PdfDocument(bytes.subarray(header));
    if (!(await document.#readTables())) await document.#rebuild();
    if (document.trailer.has("Encrypt")) throw new PdfError("is encrypted and cannot be read here");
    return document;
  }

  /** Return the object that `value` refers to, or `value` itself; null for one that is missing or refers to itself. */
  async resolve(value) {
    for (let count = 0; value instanceof Reference; count += 1) {
      if (count === MAX_REFERENCES) return null;
      value = await this.#object(value.number);
    }
    return value;
  }

  /** Return the resolved value of `key` in a dictionary or stream. */
  async get(owner, key) {
    const dictionary = owner instanceof Stream ? owner.dictionary : owner;
    return dictionary instanceof Map ? this.resolve(dictionary.get(key) ?? null) : null;
  }

  /** Return the value of `key` if it is a dictionary; else an empty one. */
  async dictionary(owner, key) {
    const found = await this.get(owner, key);
    return found instanceof Stream ? found.dictionary : found instanceof Map ? found : new Map();
  }

  /** Return the value of `key` as an array of resolved values; a single value is an array of one. */
  async list(owner, key) {
    const found = await this.get(owner, key);
    if (found === null) return [];
    return Promise.all((Array.isArray(found) ? found : [found]).map((item) => this.resolve(item)));
  }

  /** Return the decoded bytes of a stream; empty for images and unknown filters. */
  async decode(stream) {
    let { bytes } = stream;
    const budget = { bytes: Math.min(MAX_STREAM_BYTES, MAX_UNPACKED_BYTES - this.#unpackedBytes) };
    const available = budget.bytes;
    const filters = await this.list(stream, stream.dictionary.has("Filter") ? "Filter" : "F");
    const parameters = await this.list(stream, stream.dictionary.has("DecodeParms") ? "DecodeParms" : "DP");
    for (const [index, filter] of filters.entries()) bytes = await this.#filtered(bytes, filter?.value, parameters[index], budget);
    this.#unpackedBytes += available - budget.bytes;
    return bytes;
  }

  async #filtered(bytes, filter, parameters, budget) {
    if (filter === "ASCIIHexDecode" || filter === "AHx") return asciiHex(bytes);
    if (filter === "ASCII85Decode" || filter === "A85") return ascii85(bytes);
    if (filter === "RunLengthDecode" || filter === "RL") return runLength(bytes, budget);
    if (filter === "Crypt") return bytes;
    const number = async (key, usual) => Number((await this.get(parameters, key)) ?? usual) || 0;
    let found = null;
    if (filter === "FlateDecode" || filter === "Fl") found = await inflate(bytes, budget);
    if (filter === "LZWDecode" || filter === "LZW") found = lzw(bytes, await number("EarlyChange", 1), budget);
    if (found === null) return new Uint8Array();
    if ((await number("Predictor", 1)) < 10) return found;
    const bits = (await number("Colors", 1)) * (await number("BitsPerComponent", 8));
    const columns = Math.ceil(((await number("Columns", 1)) * bits) / 8);
    return columns >= 1 && columns < found.length + 1 ? unpredict(found, columns, Math.max(1, bits >> 3)) : found;
  }

  async #object(number) {
    if (this.#objects.has(number)) return this.#objects.get(number);
    if (this.#loading.has(number)) return null; // it needs itself
    this.#loading.add(number);
    try {
      const place = this.#places.get(number);
      const found = !place ? null : "offset" in place ? await this.#objectAt(place.offset) : await this.#packedObject(place, number);
      this.#objects.set(number, found);
      return found;
    } finally {
      this.#loading.delete(number);
    }
  }

  /** Return the object at `offset`, which `1 0 obj` begins; null if there is none. */
  async #objectAt(offset, number = null) {
    const reader = new ObjectReader(this.#bytes, offset);
    const head = [reader.read(), reader.read(), reader.read()];
    if (!(head[2] instanceof Keyword) || head[2].value !== "obj" || (number !== null && head[0] !== number)) return null;
    const found = reader.read();
    if (!(found instanceof Map)) return found instanceof Keyword ? null : found;
    const next = reader.read();
    if (!(next instanceof Keyword) || next.value !== "stream") return found;
    reader.skipLineEnd();
    const length = await this.resolve(found.get("Length") ?? null);
    return new Stream(found, this.#bytes.subarray(reader.at, this.#streamEnd(reader.at, length)));
  }

  #streamEnd(begin, length) {
    if (Number.isInteger(length) && length >= 0) {
      const end = new ObjectReader(this.#bytes, begin + length);
      const word = end.read();
      if (word instanceof Keyword && word.value === "endstream") return begin + length;
    }
    const found = find(this.#bytes, "endstream", begin);
    return found < 0 ? this.#bytes.length : found;
  }

  async #packedObject({ within, index }, number) {
    if (!this.#packed.has(within)) this.#packed.set(within, await this.#unpack(within));
    const objects = this.#packed.get(within);
    const found = objects[index]?.number === number ? objects[index] : objects.find((object) => object.number === number);
    return found ? found.value : null;
  }

  async #unpack(number) {
    const place = this.#places.get(number);
    if (!place || !("offset" in place)) return []; // streams of objects do not contain each other
    const stream = await this.#object(number);
    if (!(stream instanceof Stream)) return [];
    const bytes = await this.decode(stream);
    const count = Math.min(Number(await this.get(stream, "N")) || 0, MAX_OBJECTS, bytes.length);
    const first = Number(await this.get(stream, "First")) || 0;
    const heads = new ObjectReader(bytes);
    const objects = [];
    for (let index = 0; index < count; index += 1) {
      const [found, offset] = [heads.read(), heads.read()];
      if (typeof found !== "number" || typeof offset !== "number") break;
      objects.push({ number: found, value: new ObjectReader(bytes, first + offset).read() });
    }
    return objects;
  }

  /** Read the tables of objects from the newest to the oldest; return false if they lead to no pages. */
  async #readTables() {
    const tail = Math.max(0, this.#bytes.length - TRAILER_BYTES);
    const address = /startxref\s+(\d+)(?![\s\S]*startxref)/.exec(asLatin(this.#bytes.subarray(tail)));
    if (!address) return false;
    const pending = [Number(address[1])];
    const seen = new Set();
    try {
      while (pending.length && seen.size < MAX_TABLES) {
        const offset = pending.shift();
        if (seen.has(offset)) continue;
        seen.add(offset);
        const trailer = await this.#readTable(offset);
        if (!trailer) return false;
        for (const [key, value] of trailer) if (!this.trailer.has(key)) this.trailer.set(key, value);
        pending.push(...[trailer.get("XRefStm"), trailer.get("Prev")].filter((value) => Number.isInteger(value)));
      }
    } catch (error) {
      if (!(error instanceof PdfError)) throw error;
      return false;
    }
    return this.#hasPages();
  }

  async #hasPages() {
    if (this.trailer.has("Encrypt")) return true;
    const root = await this.get(this.trailer, "Root");
    return (await this.get(root, "Pages")) instanceof Map;
  }

  async #readTable(offset) {
    const reader = new ObjectReader(this.#bytes, offset);
    const word = reader.read();
    if (!(word instanceof Keyword)) return this.#readTableStream(offset);
    if (word.value !== "xref") return null;
    for (;;) {
      const first = reader.read();
      if (first instanceof Keyword) {
        if (first.value !== "trailer") return null;
        const trailer = reader.read();
        return trailer instanceof Map ? trailer : null;
      }
      const count = reader.read();
      if (typeof first !== "number" || typeof count !== "number") return null;
      for (let index = 0; index < count; index += 1) {
        const [position, , kind] = [reader.read(), reader.read(), reader.read()];
        if (typeof position !== "number" || !(kind instanceof Keyword)) return null;
        if (kind.value === "n") this.#place(first + index, { offset: position });
      }
    }
  }

  async #readTableStream(offset) {
    const stream = await this.#objectAt(offset);
    if (!(stream instanceof Stream) || stream.dictionary.get("Type")?.value !== "XRef") return null;
    const { dictionary } = stream;
    const bytes = await this.decode(stream);
    const widths = await this.list(dictionary, "W");
    if (widths.length !== 3 || !widths.every((width) => Number.isInteger(width) && width >= 0 && width <= 8)) return null;
    const spans = dictionary.has("Index") ? await this.list(dictionary, "Index") : [0, dictionary.get("Size")];
    const size = widths[0] + widths[1] + widths[2];
    let at = 0;
    for (let span = 0; span + 1 < spans.length; span += 2) {
      for (let index = 0; index < spans[span + 1] && size && at + size <= bytes.length; index += 1) {
        const fields = widths.map((width) => {
          const value = bytes.subarray(at, at + width).reduce((sum, byte) => sum * 256 + byte, 0);
          at += width;
          return value;
        });
        const kind = widths[0] ? fields[0] : 1;
        if (kind === 1) this.#place(spans[span] + index, { offset: fields[1] });
        if (kind === 2) this.#place(spans[span] + index, { within: fields[1], index: fields[2] });
      }
    }
    return dictionary;
  }

  #place(number, place) {
    if (this.#places.size >= MAX_OBJECTS) throw new PdfError("is damaged");
    if (!this.#places.has(number)) this.#places.set(number, place);
  }

  /** Find the objects of a damaged file by their beginnings. */
  async #rebuild() {
    this.#places.clear();
    this.#objects.clear();
    this.#packed.clear();
    const text = asLatin(this.#bytes);
    for (const match of text.matchAll(/(?<!\d)(\d{1,10})[ \t\r\n]+\d{1,5}[ \t\r\n]+obj\b/g)) {
      this.#places.set(Number(match[1]), { offset: match.index }); // the last one is the newest
      if (this.#places.size > MAX_OBJECTS) throw new PdfError("is damaged");
    }
    this.trailer = new Map();
    for (const match of text.matchAll(/\btrailer\b/g)) {
      const found = new ObjectReader(this.#bytes, match.index + match[0].length).read();
      if (found instanceof Map) for (const [key, value] of found) this.trailer.set(key, value);
    }
    for (const [number, { offset }] of [...this.#places]) {
      const head = text.slice(offset, offset + 400);
      if (/\/Type\s*\/ObjStm/.test(head)) await this.#placePacked(number);
      const kind = /\/Type\s*\/(XRef|Catalog)\b/.exec(head)?.[1];
      if (kind === "Catalog") this.trailer.set("Root", new Reference(number));
      const table = kind === "XRef" ? await this.#object(number) : null;
      if (table instanceof Stream) for (const [key, value] of table.dictionary) this.trailer.set(key, value);
    }
    if (!(await this.#hasPages())) throw new PdfError("is damaged");
  }

  async #placePacked(number) {
    const objects = await this.#unpack(number);
    this.#packed.set(number, objects);
    for (const [index, { number: packed, value }] of objects.entries()) {
      if (!this.#places.has(packed)) this.#places.set(packed, { within: number, index });
      if (value instanceof Map && value.get("Type")?.value === "Catalog") this.trailer.set("Root", new Reference(packed));
    }
  }
}

function find(bytes, word, from) {
  const first = word.charCodeAt(0);
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (asLatin(bytes.subarray(at, at + word.length)) === word) return at;
  }
  return -1;
}

export { END, Keyword, Name, ObjectReader, PdfError, Stream };
