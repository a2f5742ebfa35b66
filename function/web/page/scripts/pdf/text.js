import { PdfDocument } from "./document.js";
import { clean, readFont } from "./fonts.js";
import { joined } from "./filters.js";
import { END, Keyword, Name, ObjectReader, PdfError, Stream } from "./objects.js";

// The text of a PDF file, in the order in which its pages draw it. Lines and words follow from the places of the characters.

const MAX_PAGES = 10_000;
const MAX_CHARACTERS = 1_000_000;
const TOO_MUCH = "has more than a million characters";
const MAX_FORM_DEPTH = 10; // forms draw forms
const MAX_SECONDS = 30;
const MAX_SAVED_STATES = 1000;
const REST_EVERY_MS = 40; // the page stays usable while a file is read
const SPACE_WIDTH = 0.17; // of the size of the text: a wider gap separates words
const LINE_DISTANCE = 0.5; // of the size: a larger distance from the line begins another
const PARAGRAPH_DISTANCE = 1.75;
const IDENTITY = [1, 0, 0, 1, 0, 0];

/**
 * Return the text of a PDF file: `{text, pages, empty}`, the last being the number of pages without text. Throws PdfError, also
 * where reading takes longer than `maxSeconds`.
 */
export async function pdfText(bytes, { maxSeconds = MAX_SECONDS } = {}) {
  const began = performance.now();
  let rested = began;
  const pause = async () => {
    const now = performance.now();
    if (now - rested < REST_EVERY_MS) return;
    if (now - began > maxSeconds * 1000) throw new PdfError("takes too long to read");
    await new Promise((resolve) => setTimeout(resolve));
    rested = performance.now();
  };
  const document = await PdfDocument.open(bytes);
  const fonts = new Map();
  const texts = [];
  let characters = 0;
  let damaged = false;
  for await (const page of pagesOf(document)) {
    const writer = new TextWriter();
    const drawing = new Drawing(document, fonts, writer, pause);
    await pause();
    damaged ||= !(await drawing.page(page));
    texts.push({ text: writer.text(), unreadable: writer.unreadable });
    characters += texts.at(-1).text.length;
    if (characters > MAX_CHARACTERS) throw new PdfError(TOO_MUCH);
  }
  if (!texts.length || (damaged && !characters)) throw new PdfError("is damaged");
  const filled = texts.filter(({ text, unreadable }) => text && unreadable * 2 <= text.length);
  if (!filled.length && texts.some(({ unreadable }) => unreadable)) throw new PdfError("does not state the characters of its text");
  return { text: filled.map(({ text }) => text).join("\n\n"), pages: texts.length, empty: texts.length - filled.length };
}

/** Yield the pages in order, each with the resources that it inherits. */
async function* pagesOf(document) {
  const root = await document.get(document.trailer, "Root");
  const seen = new Set();
  const pending = [{ node: await document.get(root, "Pages"), resources: new Map() }];
  let count = 0;
  while (pending.length && count < MAX_PAGES) {
    const { node, resources } = pending.shift();
    if (!(node instanceof Map) || seen.has(node)) continue;
    seen.add(node);
    const own = node.has("Resources") ? await document.dictionary(node, "Resources") : resources;
    const kids = await document.get(node, "Kids");
    if (Array.isArray(kids)) {
      const found = [];
      for (const kid of kids.slice(0, MAX_PAGES)) found.push({ node: await document.resolve(kid), resources: own });
      pending.unshift(...found);
    } else {
      count += 1;
      yield { node, resources: own };
    }
  }
}

/** The product of two transformations: first `a`, then `b`. */
function product(a, b) {
  return [
    a[0] * b[0] + a[1] * b[2],
    a[0] * b[1] + a[1] * b[3],
    a[2] * b[0] + a[3] * b[2],
    a[2] * b[1] + a[3] * b[3],
    a[4] * b[0] + a[5] * b[2] + b[4],
    a[4] * b[1] + a[5] * b[3] + b[5],
  ];
}

/** The text state of a page while its operators are carried out. */
class Drawing {
  #document;
  #fonts;
  #writer;
  #pause;
  #depth = 0;
  #saved = [];
  #state = { matrix: IDENTITY, font: null, size: 1, letterGap: 0, wordGap: 0, stretch: 1, leading: 0, rise: 0 };
  #text = IDENTITY;
  #line = IDENTITY;
  #marks = []; // for each open mark, its own text or null

  constructor(document, fonts, writer, pause) {
    this.#document = document;
    this.#fonts = fonts;
    this.#writer = writer;
    this.#pause = pause;
  }

  /** Draw a page; resolves to false if its content is missing from the file. */
  async page({ node, resources }) {
    const parts = [];
    for (const part of await this.#document.list(node, "Contents")) {
      if (part instanceof Stream) parts.push(await this.#document.decode(part), Uint8Array.of(10));
    }
    await this.#draw(joined(parts), resources);
    return parts.length > 0 || !node.has("Contents");
  }

  async #draw(bytes, resources) {
    const reader = new ObjectReader(bytes, 0, false);
    let operands = [];
    let count = 0;
    for (let item = reader.read(); item !== END; item = reader.read()) {
      if (!(item instanceof Keyword)) {
        if (operands.length < 100) operands.push(item);
        continue;
      }
      if (++count % 256 === 0) await this.#pause();
      if (item.value === "BI") skipImage(reader);
      else await this.#operate(item.value, operands, resources);
      operands = [];
    }
  }

  async #operate(operator, operands, resources) {
    const state = this.#state;
    const numbers = operands.map((operand) => (typeof operand === "number" ? operand : 0));
    const [first = 0, second = 0] = numbers;
    switch (operator) {
      case "q":
        if (this.#saved.length < MAX_SAVED_STATES) this.#saved.push({ ...state });
        break;
      case "Q":
        this.#state = this.#saved.pop() ?? state;
        break;
      case "cm":
        if (numbers.length >= 6) state.matrix = product(numbers, state.matrix);
        break;
      case "BT":
        this.#text = this.#line = IDENTITY;
        break;
      case "Tf":
        state.font = await this.#font(operands[0], resources);
        state.size = second;
        break;
      case "Tc":
        state.letterGap = first;
        break;
      case "Tw":
        state.wordGap = first;
        break;
      case "Tz":
        state.stretch = first / 100;
        break;
      case "TL":
        state.leading = first;
        break;
      case "Ts":
        state.rise = first;
        break;
      case "Td":
        this.#move(first, second);
        break;
      case "TD":
        state.leading = -second;
        this.#move(first, second);
        break;
      case "Tm":
        if (numbers.length >= 6) this.#text = this.#line = numbers.slice(0, 6);
        break;
      case "T*":
        this.#move(0, -state.leading);
        break;
      case "Tj":
        this.#show([operands[0]]);
        break;
      case "TJ":
        this.#show(Array.isArray(operands[0]) ? operands[0] : []);
        break;
      case "'":
        this.#move(0, -state.leading);
        this.#show([operands[0]]);
        break;
      case '"':
        [state.wordGap, state.letterGap] = [first, second];
        this.#move(0, -state.leading);
        this.#show([operands[2]]);
        break;
      case "Do":
        await this.#drawForm(operands[0], resources);
        break;
      case "BMC":
        this.#marks.push(null);
        break;
      case "BDC":
        this.#marks.push(await this.#ownText(operands[1], resources));
        break;
      case "EMC":
        this.#marks.pop();
        break;
    }
  }

  #move(x, y) {
    this.#text = this.#line = product([1, 0, 0, 1, x, y], this.#line);
  }

  /** The text that a mark states in place of what is drawn: `{text, written}`; null for none. */
  async #ownText(properties, resources) {
    if (this.#marks.length > MAX_SAVED_STATES) throw new PdfError("is damaged");
    let found = properties;
    if (found instanceof Name) found = await this.#document.get(await this.#document.dictionary(resources, "Properties"), found.value);
    const text = await this.#document.get(found, "ActualText");
    if (!(text instanceof Uint8Array)) return null;
    const wide = text[0] === 0xfe && text[1] === 0xff;
    return { text: clean(wide ? new TextDecoder("utf-16be").decode(text.subarray(2)) : new TextDecoder("windows-1252").decode(text)), written: false };
  }

  async #font(name, resources) {
    if (!(name instanceof Name)) return null;
    const font = await this.#document.get(await this.#document.dictionary(resources, "Font"), name.value);
    if (!(font instanceof Map)) return null;
    if (!this.#fonts.has(font)) this.#fonts.set(font, await readFont(this.#document, font));
    return this.#fonts.get(font);
  }

  async #drawForm(name, resources) {
    if (!(name instanceof Name) || this.#depth >= MAX_FORM_DEPTH) return;
    const form = await this.#document.get(await this.#document.dictionary(resources, "XObject"), name.value);
    if (!(form instanceof Stream) || (await this.#document.get(form, "Subtype"))?.value !== "Form") return;
    const matrix = await this.#document.list(form, "Matrix");
    const [state, saved, text, line] = [this.#state, this.#saved, this.#text, this.#line];
    this.#saved = [];
    this.#state = { ...this.#state };
    if (matrix.length >= 6 && matrix.every((value) => typeof value === "number")) this.#state.matrix = product(matrix, this.#state.matrix);
    this.#depth += 1;
    await this.#pause();
    const own = form.dictionary.has("Resources") ? await this.#document.dictionary(form, "Resources") : resources;
    await this.#draw(await this.#document.decode(form), own);
    this.#depth -= 1;
    this.#state = state;
    this.#saved = saved;
    this.#text = text;
    this.#line = line;
  }

  #show(items) {
    const { font, size, stretch, letterGap, wordGap, rise } = this.#state;
    for (const item of items) {
      if (typeof item === "number") this.#advance((-item / 1000) * size * stretch);
      if (!(item instanceof Uint8Array) || !font) continue;
      for (const { text, width, space } of font.decode(item)) {
        const step = (width * size + letterGap + (space ? wordGap : 0)) * stretch;
        const place = product(product([size * stretch, 0, 0, size, 0, rise], this.#text), this.#state.matrix);
        this.#advance(step);
        const end = product(this.#text, this.#state.matrix);
        this.#write(text, place, [end[4], end[5]]);
      }
    }
  }

  #write(text, place, end) {
    const own = this.#marks.find(Boolean);
    if (!own) return this.#writer.write(text, place, end);
    this.#writer.write(own.written ? "" : own.text, place, end);
    own.written = true;
  }

  #advance(x) {
    this.#text = product([1, 0, 0, 1, x, 0], this.#text);
  }
}

/** Go behind the data of an image among the operators. */
function skipImage(reader) {
  for (let item = reader.read(); item !== END; item = reader.read()) {
    if (item instanceof Keyword && item.value === "ID") break;
  }
  const { bytes } = reader;
  const isSpace = (byte) => byte === undefined || byte === 0 || byte === 32 || (byte >= 9 && byte <= 13);
  for (let at = bytes.indexOf(0x45, reader.at); at >= 0; at = bytes.indexOf(0x45, at + 1)) {
    if (bytes[at + 1] !== 0x49 || !isSpace(bytes[at - 1]) || !isSpace(bytes[at + 2])) continue;
    reader.at = at + 2;
    return;
  }
  reader.at = bytes.length;
}

/** Characters at places become lines of words. */
class TextWriter {
  #parts = [];
  #last = null; // {end, size} of the last character
  #fresh = true; // nothing is in the line yet
  unreadable = 0; // characters that the file does not state

  /** Add `text` of a character drawn at `place`, a transformation; the next one of the line would be at `end`. */
  write(text, [a, b, c, d, x, y], end) {
    const size = Math.hypot(c, d) || 1;
    if (text === null) this.unreadable += 1;
    if (this.#last) this.#separate([a, b], [x, y], size);
    this.#last = { end, size };
    if (!text || (this.#fresh && text === " ")) return;
    if (this.#parts.push(text) > 2 * MAX_CHARACTERS) throw new PdfError(TOO_MUCH);
    this.#fresh = false;
  }

  #separate([a, b], [x, y], size) {
    const { end, size: before } = this.#last;
    const length = Math.hypot(a, b) || 1;
    const [dx, dy] = [x - end[0], y - end[1]];
    const along = (dx * a + dy * b) / length;
    const across = Math.abs((dy * a - dx * b) / length);
    const larger = Math.max(size, before);
    if (across > LINE_DISTANCE * larger || along < -2 * larger) this.#break(across > PARAGRAPH_DISTANCE * larger);
    else if (along > SPACE_WIDTH * size) this.#space();
  }

  #break(paragraph) {
    if (!this.#fresh) this.#parts.push("\n");
    if (paragraph && this.#parts.at(-1) === "\n" && this.#parts.at(-2) !== "\n") this.#parts.push("\n");
    this.#fresh = true;
  }

  #space() {
    if (!this.#fresh && !this.#parts.at(-1).endsWith(" ")) this.#parts.push(" ");
  }

  text() {
    return this.#parts.join("").replaceAll(/ +\n/g, "\n").trim();
  }
}
