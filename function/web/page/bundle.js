// Made by `npm run build` from scripts/, of which this is the hash: 4915ec008af27e2d53badcd1d7d96bd579b3ca08b5e957ea1cc82a35aef92110

// event-stream.js
var EventStream = class {
  #rest = "";
  #name = "";
  #data = [];
  /** Take the next piece; return the completed events: `{comment}` or `{name, data}` each. */
  feed(text) {
    this.#rest += text;
    const found = [];
    let start = 0;
    for (const { 0: end, index } of this.#rest.matchAll(/\r\n|\n|\r(?!$)/g)) {
      this.#line(this.#rest.slice(start, index), found);
      start = index + end.length;
    }
    this.#rest = this.#rest.slice(start);
    return found;
  }
  #line(line, found) {
    if (line === "") {
      if (this.#data.length) found.push({ name: this.#name || "message", data: this.#data.join("\n") });
      this.#name = "";
      this.#data = [];
    } else if (line.startsWith(":")) {
      found.push({ comment: line.slice(1).trim() });
    } else {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "event") this.#name = value;
      if (field === "data") this.#data.push(value);
    }
  }
};

// place.js
var PLACE = location.pathname.replace(/\/?$/, "/");
function endpoint(path) {
  return new URL(PLACE + path, location.origin).href;
}

// sampling.js
var SAMPLING = [
  { name: "temperature", label: "Temperature", usual: "0.8", min: 0, max: 2, step: 0.05, hint: "0 always takes the likeliest token" },
  { name: "max_tokens", label: "Max tokens", usual: "no limit", min: 1, step: 1, hint: "The longest reply" },
  { name: "top_p", label: "Top p", usual: "0.95", min: 0, max: 1, step: 0.01, hint: "Keep the likeliest tokens up to this share" },
  { name: "top_k", label: "Top k", usual: "40", min: 0, step: 1, hint: "Keep this many of the likeliest tokens" },
  { name: "min_p", label: "Min p", usual: "0.05", min: 0, max: 1, step: 0.01, hint: "Drop tokens below this share of the best" },
  { name: "repeat_penalty", label: "Repeat penalty", usual: "1", min: 0.1, max: 2, step: 0.05, hint: "Above 1 discourages repetition" },
  { name: "presence_penalty", label: "Presence penalty", usual: "0", min: -2, max: 2, step: 0.1, hint: "Above 0 favours new words" },
  { name: "seed", label: "Seed", usual: "random", min: 0, step: 1, hint: "The same seed gives the same reply" }
];
function samplingFields(settings2) {
  const fields = {};
  for (const { name } of SAMPLING) {
    if (typeof settings2[name] === "number") fields[name] = settings2[name];
  }
  return fields;
}

// error-text.js
var TOO_LONG = ["context_length_exceeded", "body_too_large"];
var CONTINUATION = "continue_final_message";
var BY_CODE = {
  context_length_exceeded: "This does not fit: the conversation is longer than the model can read at once.",
  body_too_large: "This message is too large to send."
};
var BY_KIND = {
  key: "Enter the key that you were given.",
  busy: "Others are using the model at the moment.",
  refused: "The server did not accept this message.",
  failed: "Something went wrong while the model was answering."
};
function errorText({ kind, code, param, permanent }) {
  if (BY_CODE[code]) return BY_CODE[code];
  if (param === CONTINUATION) return "This model cannot continue a reply. Ask it for the rest in a message.";
  const setting = SAMPLING.find(({ name }) => name === param);
  if (setting) return `The model does not take this value of “${setting.label}”. Change it in Settings.`;
  if (kind !== "unavailable") return BY_KIND[kind];
  if (permanent) return "The model cannot be started. Its operator has to repair something first.";
  return "The model is not available right now. Try again in a little while.";
}
function isRejected(error) {
  return Boolean(error) && [400, 413, 422].includes(error.status);
}
function canRetry({ permanent, param }) {
  return !permanent || SAMPLING.some(({ name }) => name === param);
}

// receipt.js
var PHASES = [
  ["fetch", "Fetching the model"],
  ["load", "Loading the model"],
  ["wait", "Waiting for the model"],
  ["queued", "Waiting in line"],
  ["prefill", "Reading the conversation"]
];
var MIN_SHOWN_SECONDS = 1e-3;
function readReceipt(data) {
  if (typeof data?.seconds !== "object" || typeof data?.tokens !== "object") return null;
  const receipt = { seconds: numbers(data.seconds), tokens: numbers(data.tokens) };
  if (typeof data.request_id === "string") receipt.request_id = data.request_id;
  if (typeof data.model?.name === "string") receipt.model = { name: data.model.name };
  return receipt;
}
function numbers(values) {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => Number.isFinite(value)));
}
function receiptRows({ firstToken, speed, tokens, usage, receipt }) {
  const { seconds = {}, tokens: counts = {} } = receipt ?? {};
  const rows = PHASES.filter(([phase]) => seconds[phase] >= MIN_SHOWN_SECONDS).map(([phase, label]) => [label, secondsText(seconds[phase])]);
  if (seconds.total > seconds.first_token) rows.push(["Writing the reply", secondsText(seconds.total - seconds.first_token)]);
  if (seconds.total) rows.push(["In all, on the server", secondsText(seconds.total)]);
  rows.push(["First token, seen here", secondsText(firstToken)]);
  const prompt = counts.prompt ?? usage?.prompt_tokens;
  if (prompt) rows.push(["Conversation", tokensText(prompt, counts.cached, "read before")]);
  if (tokens) rows.push(["Reply", tokensText(tokens, counts.reasoning, "thoughts")]);
  const rate = counts.per_second ?? speed;
  if (rate) rows.push(["Speed", `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tokens/s`]);
  if (receipt?.model) rows.push(["Model", receipt.model.name]);
  if (receipt?.request_id) rows.push(["Request", receipt.request_id]);
  return rows;
}
function tokensText(count2, part, name) {
  const whole = count2 === 1 ? "1 token" : `${count2.toLocaleString("en")} tokens`;
  return part ? `${whole}, ${part.toLocaleString("en")} of them ${name}` : whole;
}
function secondsText(seconds) {
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`;
}

// completion.js
var FIRST_BYTE_TIMEOUT_MS = 33e4;
var NEXT_BYTE_TIMEOUT_MS = 6e4;
var ReplyError = class extends Error {
  constructor(kind, message, { code = null, status = null, param = null, detail = null, retryAfter = null, permanent = false } = {}) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.status = status;
    this.param = param;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.permanent = permanent;
  }
  /** The error as it is kept with the message. */
  plain() {
    const { kind, message, code, status, param, detail, retryAfter, permanent } = this;
    return { kind, message, code, status, param, detail, retryAfter, permanent };
  }
};
async function* complete(body, { key, signal }) {
  const watchdog = new Watchdog(signal);
  try {
    yield* watchdog.guard(answer(body, key, watchdog));
  } finally {
    watchdog.end();
  }
}
async function* answer(body, key, watchdog) {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  if (key) headers.Authorization = `Bearer ${key}`;
  watchdog.expect(FIRST_BYTE_TIMEOUT_MS);
  const options = { method: "POST", headers, body: JSON.stringify(body), signal: watchdog.signal, cache: "no-store" };
  let response;
  try {
    response = await fetch(
      endpoint("v1/chat/completions"),
      /** @type {RequestInit} */
      options
    );
  } catch (error) {
    if (watchdog.signal.aborted) throw error;
    throw new ReplyError("unreachable", "The server could not be reached. Are you online?");
  }
  if (!response.ok) throw await refusal(response);
  const type = response.headers.get("Content-Type") ?? "nothing";
  if (!type.startsWith("text/event-stream")) {
    throw new ReplyError("failed", `Another server answered in place of the model (${type.split(";")[0]}).`);
  }
  yield* events(response.body.getReader(), watchdog);
}
async function* events(reader, watchdog) {
  const stream = new EventStream();
  const decoder = new TextDecoder();
  for (; ; ) {
    watchdog.expect(NEXT_BYTE_TIMEOUT_MS);
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (watchdog.signal.aborted) throw error;
      piece = { done: true };
    }
    if (piece.done) throw new ReplyError("cut", "The reply ended before it was complete.");
    for (const event of stream.feed(decoder.decode(piece.value, { stream: true }))) {
      if (event.data === "[DONE]") return;
      if (event.comment !== void 0) yield event;
      else yield* parts(event);
    }
  }
}
function* parts({ name, data }) {
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new ReplyError("failed", "The answer could not be read: it is not a reply.");
  }
  if (name === "error" || chunk.error) {
    const { code, message } = chunk.error ?? {};
    throw new ReplyError("failed", errorText({ kind: "failed", code, param: null, permanent: false }), { code, detail: message });
  }
  if (chunk.model) yield { model: chunk.model };
  const choice = chunk.choices?.[0];
  const delta = choice?.delta ?? {};
  if (delta.reasoning_content) yield { thought: delta.reasoning_content };
  if (delta.content) yield { text: delta.content };
  for (const { index, function: called = {} } of delta.tool_calls ?? []) {
    yield { call: { index, name: called.name ?? "", arguments: called.arguments ?? "" } };
  }
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
  if (chunk.usage) yield { usage: chunk.usage, receipt: readReceipt(chunk.receipt) };
}
async function refusal(response) {
  let error = null;
  try {
    error = (await response.json()).error;
  } catch {
  }
  const { status } = response;
  const kind = { 401: "key", 429: "busy", 503: "unavailable" }[status] ?? "refused";
  const detail = error?.message ?? `${status} ${response.statusText}`.trim();
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const permanent = response.headers.get("x-should-retry") === "false" || TOO_LONG.includes(error?.code);
  const found = { kind, code: error?.code ?? null, status, param: error?.param ?? null, detail, permanent };
  return new ReplyError(kind, errorText(found), { ...found, retryAfter: seconds > 0 ? seconds : null });
}
var Watchdog = class {
  #controller = new AbortController();
  #timer = null;
  #silent = false;
  #outer;
  #forward = () => this.#controller.abort();
  constructor(outer) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#forward);
    if (outer.aborted) this.#forward();
  }
  get signal() {
    return this.#controller.signal;
  }
  expect(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#silent = true;
      this.#controller.abort();
    }, milliseconds);
  }
  async *guard(generator) {
    try {
      yield* generator;
    } catch (error) {
      if (this.#silent) throw new ReplyError("silent", "Nothing has arrived for a long time.");
      throw error;
    }
  }
  end() {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#forward);
    this.#controller.abort();
  }
};

// pdf/objects.js
var MAX_DEPTH = 100;
var PdfError = class extends Error {
};
var Name = class {
  constructor(value) {
    this.value = value;
  }
};
var Keyword = class {
  constructor(value) {
    this.value = value;
  }
};
var Reference = class {
  constructor(number2) {
    this.number = number2;
  }
};
var Stream = class {
  constructor(dictionary, bytes) {
    this.dictionary = dictionary;
    this.bytes = bytes;
  }
};
var END = new Keyword("");
var CLOSE_ARRAY = new Keyword("]");
var CLOSE_DICTIONARY = new Keyword(">>");
var SPACES = /* @__PURE__ */ new Set([0, 9, 10, 12, 13, 32]);
var DELIMITERS = new Set([..."()<>[]{}/%"].map((character) => character.charCodeAt(0)));
var CONSTANTS = /* @__PURE__ */ new Map([["true", true], ["false", false], ["null", null]]);
var ESCAPES = { n: 10, r: 13, t: 9, b: 8, f: 12 };
var CARRIAGE_RETURN = 13;
var LINE_FEED = 10;
function asLatin(bytes) {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += 8192) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return pieces.join("");
}
var ObjectReader = class {
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
    if (character === "<") return this.bytes[this.at + 1] === 60 ? this.#dictionary(depth) : this.#hexadecimal();
    if (character === "]") return this.#skip(1, CLOSE_ARRAY);
    if (character === ">") return this.#skip(this.bytes[this.at + 1] === 62 ? 2 : 1, CLOSE_DICTIONARY);
    if ("){}".includes(character)) return this.#skip(1, new Keyword(character));
    return this.#word();
  }
  skipSpace() {
    const { bytes } = this;
    for (; ; ) {
      while (SPACES.has(bytes[this.at])) this.at += 1;
      if (bytes[this.at] !== 37) return;
      while (this.at < bytes.length && bytes[this.at] !== CARRIAGE_RETURN && bytes[this.at] !== LINE_FEED) this.at += 1;
    }
  }
  /** Go behind the line end that follows the keyword `stream`. */
  skipLineEnd() {
    if (this.bytes[this.at] === CARRIAGE_RETURN) this.at += 1;
    if (this.bytes[this.at] === LINE_FEED) this.at += 1;
  }
  #skip(count2, result) {
    this.at += count2;
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
    const number2 = Number.parseFloat(word.replace(/^[-+]*(?=[-+])/, "")) || 0;
    if (!this.references || !/^\d+$/.test(word)) return number2;
    const { at } = this;
    this.skipSpace();
    if (/^\d+$/.test(this.#token())) {
      this.skipSpace();
      if (this.#token() === "R") return new Reference(number2);
    }
    this.at = at;
    return number2;
  }
  #text() {
    const { bytes } = this;
    const found = [];
    let open = 1;
    for (this.at += 1; this.at < bytes.length; this.at += 1) {
      const byte = bytes[this.at];
      if (byte === 40) open += 1;
      if (byte === 41 && --open === 0) break;
      if (byte === 92) this.#escape(found);
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
      if (this.bytes[this.at + 1] === LINE_FEED) this.at += 1;
    } else if (byte !== LINE_FEED && byte !== void 0) {
      found.push(ESCAPES[String.fromCharCode(byte)] ?? byte);
    }
  }
  #hexadecimal() {
    const end = this.bytes.indexOf(62, this.at);
    const digits = asLatin(this.bytes.subarray(this.at + 1, end < 0 ? this.bytes.length : end)).replaceAll(/[^0-9a-f]/gi, "");
    this.at = end < 0 ? this.bytes.length : end + 1;
    return Uint8Array.from({ length: Math.ceil(digits.length / 2) }, (_, index) => Number.parseInt(digits.slice(2 * index, 2 * index + 2).padEnd(2, "0"), 16));
  }
  #array(depth) {
    this.at += 1;
    const items = [];
    for (; ; ) {
      const item = this.read(depth + 1);
      if (item === CLOSE_ARRAY || item === END) return items;
      items.push(item);
    }
  }
  #dictionary(depth) {
    this.at += 2;
    const found = /* @__PURE__ */ new Map();
    for (; ; ) {
      const key = this.read(depth + 1);
      if (key === CLOSE_DICTIONARY || key === END) return found;
      if (!(key instanceof Name)) continue;
      const value = this.read(depth + 1);
      if (value === CLOSE_DICTIONARY || value === END) return found;
      found.set(key.value, value);
    }
  }
};

// pdf/filters.js
var FEED_BYTES = 4096;
var MAX_LZW_CODES = 4096;
async function inflate(bytes, budget) {
  const found = await inflated(bytes, "deflate", budget);
  return found.length ? found : inflated(bytes.subarray(2), "deflate-raw", budget);
}
async function inflated(bytes, format, budget) {
  const { readable, writable } = new DecompressionStream(format);
  feed(writable.getWriter(), bytes);
  const reader = readable.getReader();
  const pieces = [];
  try {
    for (; ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      spend(budget, value.length);
    }
  } catch (error) {
    reader.cancel().catch(() => {
    });
    if (error instanceof PdfError) throw error;
  }
  return joined(pieces);
}
async function feed(writer, bytes) {
  try {
    for (let at = 0; at < bytes.length; at += FEED_BYTES) {
      await writer.ready;
      await writer.write(bytes.slice(at, at + FEED_BYTES));
    }
    await writer.close();
  } catch {
  }
}
function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
function spend(budget, bytes) {
  budget.bytes -= bytes;
  if (budget.bytes < 0) throw new PdfError("is too large when it is unpacked");
}
function lzw(bytes, early, budget) {
  const pieces = [];
  let table2 = [];
  let width = 9;
  let last = null;
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = held << 8 | byte;
    bits += 8;
    if (bits < width) continue;
    bits -= width;
    const code = held >>> bits;
    held &= (1 << bits) - 1;
    if (code === 257) break;
    if (code === 256) {
      table2 = [];
      width = 9;
      last = null;
      continue;
    }
    let piece = code < 256 ? Uint8Array.of(code) : table2[code - 258];
    if (!piece) {
      if (!last || code - 258 !== table2.length) break;
      piece = joined([last, last.subarray(0, 1)]);
    }
    spend(budget, piece.length);
    pieces.push(piece);
    if (last && table2.length + 258 < MAX_LZW_CODES) {
      spend(budget, last.length + 1);
      table2.push(joined([last, piece.subarray(0, 1)]));
    }
    last = piece;
    const next = table2.length + 258 + early;
    width = next >= 2048 ? 12 : next >= 1024 ? 11 : next >= 512 ? 10 : 9;
  }
  return joined(pieces);
}
function asciiHex(bytes) {
  const digits = asLatin(bytes).split(">", 1)[0].replaceAll(/[^0-9a-f]/gi, "");
  return Uint8Array.from({ length: Math.ceil(digits.length / 2) }, (_, index) => Number.parseInt(digits.slice(2 * index, 2 * index + 2).padEnd(2, "0"), 16));
}
function ascii85(bytes) {
  const found = [];
  let group = [];
  const flush = (count2) => {
    const value = [0, 1, 2, 3, 4].reduce((sum, index) => sum * 85 + (group[index] ?? 84), 0);
    for (let index = 0; index < count2; index += 1) found.push(Math.floor(value / 256 ** (3 - index)) % 256);
    group = [];
  };
  for (const byte of bytes) {
    if (byte === 126) break;
    if (byte === 122 && !group.length) found.push(0, 0, 0, 0);
    else if (byte >= 33 && byte <= 117 && group.push(byte - 33) === 5) flush(4);
  }
  if (group.length > 1) flush(group.length - 1);
  return Uint8Array.from(found);
}
function runLength(bytes, budget) {
  const pieces = [];
  for (let at = 0; at < bytes.length && bytes[at] !== 128; ) {
    const length = bytes[at];
    const piece = length < 128 ? bytes.subarray(at + 1, at + 2 + length) : new Uint8Array(257 - length).fill(bytes[at + 1]);
    spend(budget, piece.length);
    pieces.push(piece);
    at += length < 128 ? length + 2 : 2;
  }
  return joined(pieces);
}
function unpredict(bytes, columns, pixel) {
  const rows = Math.ceil(bytes.length / (columns + 1));
  const found = new Uint8Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    const kind = bytes[row * (columns + 1)];
    for (let column = 0; column < columns; column += 1) {
      const at = row * columns + column;
      const left = column >= pixel ? found[at - pixel] : 0;
      const above = row ? found[at - columns] : 0;
      const corner = row && column >= pixel ? found[at - columns - pixel] : 0;
      found[at] = (bytes[row * (columns + 1) + 1 + column] ?? 0) + predicted(kind, left, above, corner);
    }
  }
  return found;
}
function predicted(kind, left, above, corner) {
  if (kind === 1) return left;
  if (kind === 2) return above;
  if (kind === 3) return left + above >> 1;
  if (kind !== 4) return 0;
  const guess = left + above - corner;
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

// pdf/document.js
var HEADER_BYTES = 1024;
var TRAILER_BYTES = 2048;
var MAX_OBJECTS = 1e6;
var MAX_TABLES = 1e3;
var MAX_STREAM_BYTES = 5e7;
var MAX_UNPACKED_BYTES = 3e8;
var MAX_REFERENCES = 50;
var PdfDocument = class _PdfDocument {
  #bytes;
  #places = /* @__PURE__ */ new Map();
  // number: {offset} in the file, or {within, index} in a stream of objects
  #objects = /* @__PURE__ */ new Map();
  #loading = /* @__PURE__ */ new Set();
  #packed = /* @__PURE__ */ new Map();
  // number of a stream of objects: its objects
  #unpackedBytes = 0;
  trailer = /* @__PURE__ */ new Map();
  constructor(bytes) {
    this.#bytes = bytes;
  }
  /** Open the file; throws PdfError. */
  static async open(bytes) {
    const header2 = asLatin(bytes.subarray(0, HEADER_BYTES)).indexOf("%PDF-");
    if (header2 < 0) throw new PdfError("is not a PDF file");
    const document2 = new _PdfDocument(bytes.subarray(header2));
    if (!await document2.#readTables()) await document2.#rebuild();
    if (document2.trailer.has("Encrypt")) throw new PdfError("is encrypted and cannot be read here");
    return document2;
  }
  /** Return the object that `value` refers to, or `value` itself; null for one that is missing or refers to itself. */
  async resolve(value) {
    for (let count2 = 0; value instanceof Reference; count2 += 1) {
      if (count2 === MAX_REFERENCES) return null;
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
    return found instanceof Stream ? found.dictionary : found instanceof Map ? found : /* @__PURE__ */ new Map();
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
    const number2 = async (key, usual) => Number(await this.get(parameters, key) ?? usual) || 0;
    let found = null;
    if (filter === "FlateDecode" || filter === "Fl") found = await inflate(bytes, budget);
    if (filter === "LZWDecode" || filter === "LZW") found = lzw(bytes, await number2("EarlyChange", 1), budget);
    if (found === null) return new Uint8Array();
    if (await number2("Predictor", 1) < 10) return found;
    const bits = await number2("Colors", 1) * await number2("BitsPerComponent", 8);
    const columns = Math.ceil(await number2("Columns", 1) * bits / 8);
    return columns >= 1 && columns < found.length + 1 ? unpredict(found, columns, Math.max(1, bits >> 3)) : found;
  }
  async #object(number2) {
    if (this.#objects.has(number2)) return this.#objects.get(number2);
    if (this.#loading.has(number2)) return null;
    this.#loading.add(number2);
    try {
      const place2 = this.#places.get(number2);
      const found = !place2 ? null : "offset" in place2 ? await this.#objectAt(place2.offset) : await this.#packedObject(place2, number2);
      this.#objects.set(number2, found);
      return found;
    } finally {
      this.#loading.delete(number2);
    }
  }
  /** Return the object at `offset`, which `1 0 obj` begins; null if there is none. */
  async #objectAt(offset, number2 = null) {
    const reader = new ObjectReader(this.#bytes, offset);
    const head = [reader.read(), reader.read(), reader.read()];
    if (!(head[2] instanceof Keyword) || head[2].value !== "obj" || number2 !== null && head[0] !== number2) return null;
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
  async #packedObject({ within, index }, number2) {
    if (!this.#packed.has(within)) this.#packed.set(within, await this.#unpack(within));
    const objects = this.#packed.get(within);
    const found = objects[index]?.number === number2 ? objects[index] : objects.find((object) => object.number === number2);
    return found ? found.value : null;
  }
  async #unpack(number2) {
    const place2 = this.#places.get(number2);
    if (!place2 || !("offset" in place2)) return [];
    const stream = await this.#object(number2);
    if (!(stream instanceof Stream)) return [];
    const bytes = await this.decode(stream);
    const count2 = Math.min(Number(await this.get(stream, "N")) || 0, MAX_OBJECTS, bytes.length);
    const first = Number(await this.get(stream, "First")) || 0;
    const heads = new ObjectReader(bytes);
    const objects = [];
    for (let index = 0; index < count2; index += 1) {
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
    const seen = /* @__PURE__ */ new Set();
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
    return await this.get(root, "Pages") instanceof Map;
  }
  async #readTable(offset) {
    const reader = new ObjectReader(this.#bytes, offset);
    const word = reader.read();
    if (!(word instanceof Keyword)) return this.#readTableStream(offset);
    if (word.value !== "xref") return null;
    for (; ; ) {
      const first = reader.read();
      if (first instanceof Keyword) {
        if (first.value !== "trailer") return null;
        const trailer = reader.read();
        return trailer instanceof Map ? trailer : null;
      }
      const count2 = reader.read();
      if (typeof first !== "number" || typeof count2 !== "number") return null;
      for (let index = 0; index < count2; index += 1) {
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
  #place(number2, place2) {
    if (this.#places.size >= MAX_OBJECTS) throw new PdfError("is damaged");
    if (!this.#places.has(number2)) this.#places.set(number2, place2);
  }
  /** Find the objects of a damaged file by their beginnings. */
  async #rebuild() {
    this.#places.clear();
    this.#objects.clear();
    this.#packed.clear();
    const text = asLatin(this.#bytes);
    for (const match of text.matchAll(/(?<!\d)(\d{1,10})[ \t\r\n]+\d{1,5}[ \t\r\n]+obj\b/g)) {
      this.#places.set(Number(match[1]), { offset: match.index });
      if (this.#places.size > MAX_OBJECTS) throw new PdfError("is damaged");
    }
    this.trailer = /* @__PURE__ */ new Map();
    for (const match of text.matchAll(/\btrailer\b/g)) {
      const found = new ObjectReader(this.#bytes, match.index + match[0].length).read();
      if (found instanceof Map) for (const [key, value] of found) this.trailer.set(key, value);
    }
    for (const [number2, { offset }] of [...this.#places]) {
      const head = text.slice(offset, offset + 400);
      if (/\/Type\s*\/ObjStm/.test(head)) await this.#placePacked(number2);
      const kind = /\/Type\s*\/(XRef|Catalog)\b/.exec(head)?.[1];
      if (kind === "Catalog") this.trailer.set("Root", new Reference(number2));
      const table2 = kind === "XRef" ? await this.#object(number2) : null;
      if (table2 instanceof Stream) for (const [key, value] of table2.dictionary) this.trailer.set(key, value);
    }
    if (!await this.#hasPages()) throw new PdfError("is damaged");
  }
  async #placePacked(number2) {
    const objects = await this.#unpack(number2);
    this.#packed.set(number2, objects);
    for (const [index, { number: packed, value }] of objects.entries()) {
      if (!this.#places.has(packed)) this.#places.set(packed, { within: number2, index });
      if (value instanceof Map && value.get("Type")?.value === "Catalog") this.trailer.set("Root", new Reference(packed));
    }
  }
};
function find(bytes, word, from) {
  const first = word.charCodeAt(0);
  for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (asLatin(bytes.subarray(at, at + word.length)) === word) return at;
  }
  return -1;
}

// pdf/glyphs.js
var ACCENTS = {
  grave: "̀",
  acute: "́",
  circumflex: "̂",
  tilde: "̃",
  macron: "̄",
  breve: "̆",
  dotaccent: "̇",
  dieresis: "̈",
  ring: "̊",
  hungarumlaut: "̋",
  caron: "̌",
  commaaccent: "̦",
  cedilla: "̧",
  ogonek: "̨"
};
var NAMED = new Map(
  `space   exclam ! quotedbl " numbersign # dollar $ percent % ampersand & quotesingle ' parenleft ( parenright ) asterisk * plus + comma , hyphen - period . slash /
  zero 0 one 1 two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 colon : semicolon ; less < equal = greater > question ? at @
  bracketleft [ backslash \\ bracketright ] asciicircum ^ underscore _ braceleft { bar | braceright } asciitilde ~
  quoteright ’ quoteleft ‘ quotedblleft “ quotedblright ” quotesinglbase ‚ quotedblbase „ guilsinglleft ‹ guilsinglright › guillemotleft « guillemotright » guillemetleft « guillemetright »
  endash – emdash — bullet • periodcentered · ellipsis … dagger † daggerdbl ‡ perthousand ‰ section § paragraph ¶ copyright © registered ® trademark ™ degree ° minus − multiply × divide ÷ plusminus ± fraction ⁄
  cent ¢ sterling £ currency ¤ yen ¥ euro € Euro € florin ƒ brokenbar ¦ logicalnot ¬ mu µ ordfeminine ª ordmasculine º onequarter ¼ onehalf ½ threequarters ¾ onesuperior ¹ twosuperior ² threesuperior ³
  exclamdown ¡ questiondown ¿ AE Æ ae æ OE Œ oe œ Oslash Ø oslash ø Lslash Ł lslash ł Dcroat Đ dcroat đ Eth Ð eth ð Thorn Þ thorn þ germandbls ß dotlessi ı dotlessj ȷ
  fi fi fl fl ff ff ffi ffi ffl ffl grave \` acute ´ circumflex ˆ tilde ˜ macron ¯ breve ˘ dotaccent ˙ dieresis ¨ ring ˚ cedilla ¸ hungarumlaut ˝ ogonek ˛ caron ˇ
  nbspace   sfthyphen - nonbreakingspace   visiblespace ␣
  Alpha Α Beta Β Gamma Γ Delta Δ Epsilon Ε Zeta Ζ Eta Η Theta Θ Iota Ι Kappa Κ Lambda Λ Mu Μ Nu Ν Xi Ξ Omicron Ο Pi Π Rho Ρ Sigma Σ Tau Τ Upsilon Υ Phi Φ Chi Χ Psi Ψ Omega Ω
  alpha α beta β gamma γ delta δ epsilon ε epsilon1 ϵ zeta ζ eta η theta θ theta1 ϑ iota ι kappa κ lambda λ nu ν xi ξ omicron ο pi π rho ρ sigma σ sigma1 ς tau τ upsilon υ phi φ phi1 ϕ chi χ psi ψ omega ω
  summation ∑ product ∏ integral ∫ radical √ infinity ∞ partialdiff ∂ gradient ∇ element ∈ notelement ∉ intersection ∩ union ∪ propersubset ⊂ reflexsubset ⊆ propersuperset ⊃ reflexsuperset ⊇ emptyset ∅
  lessequal ≤ greaterequal ≥ notequal ≠ approxequal ≈ equivalence ≡ similar ∼ proportional ∝ logicaland ∧ logicalor ∨ universal ∀ existential ∃ arrowleft ← arrowup ↑ arrowright → arrowdown ↓ arrowboth ↔
  arrowdblleft ⇐ arrowdblright ⇒ arrowdblboth ⇔ lozenge ◊ prime ′ asteriskmath ∗ openbullet ◦ checkmark ✓ angbracketleft ⟨ angbracketright ⟩ angleleft ⟨ angleright ⟩ circleplus ⊕ circlemultiply ⊗ perpendicular ⊥ ell ℓ lscript ℓ
  mapsto ↦ star ⋆ diamond ⋄ periodinferior . Delta1 Δ Omega1 Ω ohm Ω increment ∆`.split(/\s*\n\s*/).flatMap((line) => [...line.matchAll(/(\S+) (\S+| )(?: |$)/g)].map(([, name, text]) => [name, text]))
);
var STANDARD_UPPER = "exclamdown cent sterling fraction yen florin section currency quotesingle quotedblleft guillemotleft guilsinglleft guilsinglright fi fl . endash dagger daggerdbl periodcentered . paragraph bullet quotesinglbase quotedblbase quotedblright guillemotright ellipsis perthousand . questiondown . grave acute circumflex tilde macron breve dotaccent dieresis . ring cedilla . hungarumlaut ogonek caron emdash . . . . . . . . . . . . . . . . AE . ordfeminine . . . . Lslash Oslash OE ordmasculine . . . . . ae . . . dotlessi . . lslash oslash oe germandbls";
var WINDOWS_MIDDLE = [..."€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"];
var SYMBOL_LETTERS = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼";
var OT1_FIRST = "Γ Δ Θ Λ Ξ Π Σ Υ Φ Ψ Ω ff fi fl ffi ffl ı ȷ ` ´ ˇ ˘ ¯ ˚ ¸ ß æ œ ø Æ Œ Ø";
var OT1_OTHER = { 34: "”", 39: "’", 60: "¡", 62: "¿", 92: "“", 96: "‘", 123: "–", 124: "—" };
function glyphText(name) {
  const [base] = name.split(".", 1);
  if (NAMED.has(base)) return NAMED.get(base);
  if (/^[A-Za-z]$/.test(base)) return base;
  const code = /^(?:uni((?:[0-9A-F]{4})+)|u([0-9A-F]{4,6}))$/.exec(base);
  if (code?.[1]) return String.fromCharCode(...code[1].match(/.{4}/g).map((digits) => Number.parseInt(digits, 16)));
  if (code?.[2]) return pointText(Number.parseInt(code[2], 16));
  const accented = /^([A-Za-z]|dotlessi|ae|AE|oslash|Oslash)(grave|acute|circumflex|tilde|macron|breve|dotaccent|dieresis|ring|hungarumlaut|caron|commaaccent|cedilla|ogonek)$/.exec(base);
  if (accented) return ((accented[1].length > 1 ? NAMED.get(accented[1]) : accented[1]) + ACCENTS[accented[2]]).normalize("NFC");
  if (base.includes("_")) {
    const parts2 = base.split("_").map(glyphText);
    return parts2.includes(null) ? null : parts2.join("");
  }
  return null;
}
function pointText(point) {
  return point <= 1114111 ? String.fromCodePoint(point) : null;
}
function encodingTexts(name) {
  const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
  if (name === "MacRomanEncoding") return [...new TextDecoder("macintosh").decode(codes)];
  const texts = Array.from(codes, (code) => WINDOWS_MIDDLE[code - 128] ?? String.fromCharCode(code));
  if (name === "WinAnsiEncoding") return texts;
  if (name === "Symbol") {
    [...SYMBOL_LETTERS].forEach((letter, index) => texts[65 + index] = letter);
    return texts.map((text, code) => code === 183 ? "•" : code < 127 ? text : null);
  }
  if (name === "OT1") {
    OT1_FIRST.split(" ").forEach((text, code) => texts[code] = text);
    return texts.map((text, code) => OT1_OTHER[code] ?? (code < 128 ? text : null));
  }
  const upper = STANDARD_UPPER.split(" ");
  return texts.map((text, code) => {
    if (code === 39) return "’";
    if (code === 96) return "‘";
    return code < 127 ? text : code < 161 ? null : glyphText(upper[code - 161] ?? ".");
  });
}

// pdf/fonts.js
var MAX_MAPPED_CODES = 2e5;
var USUAL_WIDTH = 0.5;
var HELVETICA = "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584";
var TIMES = "250 333 408 500 500 833 778 180 333 333 500 564 250 333 250 278 500 500 500 500 500 500 500 500 500 500 278 278 564 564 564 444 921 722 667 667 722 611 556 722 722 333 389 722 611 889 722 722 556 722 667 556 611 722 722 944 722 722 611 333 278 333 469 500 333 444 500 444 500 444 333 500 500 278 278 500 278 778 500 500 500 500 333 389 278 500 500 722 500 500 444 480 200 480 541";
var DECODERS = [
  [/UCS2|UTF16/, "utf-16be"],
  [/RKSJ/, "shift_jis"],
  [/EUC-H|EUC-V/, "euc-jp"],
  [/GBK|GBpc|GB-/, "gbk"],
  [/B5|ETen/, "big5"],
  [/KSC/, "euc-kr"]
];
var COMPUTER_MODERN = /(?:^|\+)CM(?!SY|MI|EX)[A-Z]+\d/;
var LIGATURES = /[\ufb00-\ufb06]/g;
async function readFont(document2, font) {
  const composite = (await document2.get(font, "Subtype"))?.value === "Type0";
  const toUnicode = await document2.get(font, "ToUnicode");
  const map = toUnicode instanceof Stream ? readCodeMap(await document2.decode(toUnicode)) : null;
  const decode2 = composite ? await compositeDecoder(document2, font, map) : await simpleDecoder(document2, font, map);
  return { decode: decode2 };
}
async function simpleDecoder(document2, font, map) {
  const texts = await simpleTexts(document2, font);
  const widths = await simpleWidths(document2, font);
  return (bytes) => Array.from(bytes, (code) => ({ text: clean(map?.texts.get(code) ?? texts[code] ?? null), width: widths(code), space: code === 32 }));
}
async function simpleTexts(document2, font) {
  const encoding = await document2.get(font, "Encoding");
  const named = encoding instanceof Name ? encoding.value : (await document2.get(encoding, "BaseEncoding"))?.value;
  const base = (await document2.get(font, "BaseFont"))?.value ?? "";
  const texts = encodingTexts(named ?? (/Symbol/.test(base) ? "Symbol" : COMPUTER_MODERN.test(base) ? "OT1" : "StandardEncoding"));
  if (!named) for (const [code2, name] of await builtInNames(document2, font)) texts[code2] = glyphText(name);
  let code = 0;
  for (const item of await document2.list(encoding, "Differences")) {
    if (typeof item === "number") code = item;
    else if (item instanceof Name && code < 256) texts[code++] = glyphText(item.value);
  }
  return texts;
}
async function builtInNames(document2, font) {
  const program = await document2.get(await document2.dictionary(font, "FontDescriptor"), "FontFile");
  if (!(program instanceof Stream)) return [];
  const clear = asLatin(await document2.decode(program)).split("eexec", 1)[0];
  return [...clear.matchAll(/dup\s+(\d{1,3})\s*\/([^\s/]+)\s+put/g)].map(([, code, name]) => [Number(code), name]);
}
async function simpleWidths(document2, font) {
  const first = Number(await document2.get(font, "FirstChar")) || 0;
  const widths = await document2.list(font, "Widths");
  const base = (await document2.get(font, "BaseFont"))?.value ?? "";
  const missing = Number(await document2.get(await document2.dictionary(font, "FontDescriptor"), "MissingWidth")) || 0;
  const matrix = (await document2.get(font, "Subtype"))?.value === "Type3" ? await document2.list(font, "FontMatrix") : [];
  const scale = typeof matrix[0] === "number" ? matrix[0] : 1e-3;
  if (widths.length) return (code) => Number(widths[code - first] ?? missing) * scale || 0;
  if (/Courier/.test(base)) return () => 0.6;
  const known = (/Times/.test(base) ? TIMES : HELVETICA).split(" ").map(Number);
  return (code) => (known[code - 32] ?? 1e3 * USUAL_WIDTH) / 1e3;
}
async function compositeDecoder(document2, font, map) {
  const [descendant] = await document2.list(font, "DescendantFonts");
  const widths = await compositeWidths(document2, descendant);
  const encoding = await document2.get(font, "Encoding");
  const name = encoding instanceof Name ? encoding.value : "";
  const decoder = map ? null : DECODERS.find(([pattern]) => pattern.test(name))?.[1];
  if (decoder) {
    return (bytes) => [...new TextDecoder(decoder).decode(bytes)].map((text) => ({ text, width: text < " " ? 0.5 : 1, space: false }));
  }
  const codes = encoding instanceof Stream ? readCodeMap(await document2.decode(encoding)) : null;
  const lengths = codes?.lengths.size ? codes.lengths : /^Identity/.test(name) || !map?.lengths.size ? /* @__PURE__ */ new Map([[2, [[0, 65535]]]]) : map.lengths;
  return (bytes) => splitCodes(bytes, lengths).map((code) => ({ text: clean(map?.texts.get(code) ?? null), width: widths(code), space: false }));
}
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
async function compositeWidths(document2, descendant) {
  const usual = Number(await document2.get(descendant, "DW") ?? 1e3) / 1e3;
  const list = await document2.list(descendant, "W");
  const widths = /* @__PURE__ */ new Map();
  for (let at = 0; at < list.length && widths.size < MAX_MAPPED_CODES; ) {
    const [first, second, third] = list.slice(at, at + 3);
    if (Array.isArray(second)) {
      second.forEach((width, index) => widths.set(first + index, Number(width) / 1e3));
      at += 2;
    } else {
      for (let code = first; code <= Math.min(second, first + 65535); code += 1) widths.set(code, Number(third) / 1e3);
      at += 3;
    }
  }
  return (code) => widths.get(code) ?? usual;
}
function readCodeMap(bytes) {
  const reader = new ObjectReader(bytes, 0, false);
  const texts = /* @__PURE__ */ new Map();
  const lengths = /* @__PURE__ */ new Map();
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
var isBytes = (value) => value instanceof Uint8Array;
var number = (bytes) => bytes.reduce((sum, byte) => sum * 256 + byte, 0);
var utf16 = (bytes) => bytes.length === 1 ? String.fromCharCode(bytes[0]) : new TextDecoder("utf-16be").decode(bytes);
function addLengths(lengths, operands) {
  for (let at = 0; at + 1 < operands.length; at += 2) {
    const [low, high] = operands.slice(at, at + 2);
    if (!isBytes(low) || !isBytes(high) || !low.length || low.length > 4) continue;
    lengths.set(low.length, [...lengths.get(low.length) ?? [], [number(low), number(high)]]);
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
    const count2 = Math.min(number(high) - first, 65535);
    for (let index = 0; index <= count2 && texts.size <= MAX_MAPPED_CODES; index += 1) {
      if (Array.isArray(text)) {
        if (isBytes(text[index])) texts.set(first + index, utf16(text[index]));
      } else if (isBytes(text) && text.length) {
        const begin = utf16(text);
        const last = begin.codePointAt(begin.length > 1 && begin.codePointAt(begin.length - 2) > 65535 ? begin.length - 2 : begin.length - 1);
        const kept = begin.slice(0, begin.length - String.fromCodePoint(last).length);
        texts.set(first + index, kept + String.fromCodePoint(Math.min(last + index, 1114111)));
      }
    }
  }
}
function clean(text) {
  if (!text) return null;
  const plain2 = text.replaceAll(LIGATURES, (ligature) => ligature.normalize("NFKC")).replaceAll(" ", " ").replaceAll("­", "-");
  return plain2.replaceAll(/[\0-\x1f\x7f\ufffd\ufffe]/g, "") || null;
}

// pdf/text.js
var MAX_PAGES = 1e4;
var MAX_CHARACTERS = 1e6;
var TOO_MUCH = "has more than a million characters";
var MAX_FORM_DEPTH = 10;
var MAX_SECONDS = 30;
var MAX_SAVED_STATES = 1e3;
var REST_EVERY_MS = 40;
var SPACE_WIDTH = 0.17;
var LINE_DISTANCE = 0.5;
var PARAGRAPH_DISTANCE = 1.75;
var IDENTITY = [1, 0, 0, 1, 0, 0];
async function pdfText(bytes, { maxSeconds = MAX_SECONDS } = {}) {
  const began = performance.now();
  let rested = began;
  const pause = async () => {
    const now = performance.now();
    if (now - rested < REST_EVERY_MS) return;
    if (now - began > maxSeconds * 1e3) throw new PdfError("takes too long to read");
    await new Promise((resolve) => setTimeout(resolve));
    rested = performance.now();
  };
  const document2 = await PdfDocument.open(bytes);
  const fonts = /* @__PURE__ */ new Map();
  const texts = [];
  let characters = 0;
  let damaged = false;
  for await (const page of pagesOf(document2)) {
    const writer = new TextWriter();
    const drawing = new Drawing(document2, fonts, writer, pause);
    await pause();
    damaged ||= !await drawing.page(page);
    texts.push({ text: writer.text(), unreadable: writer.unreadable });
    characters += texts.at(-1).text.length;
    if (characters > MAX_CHARACTERS) throw new PdfError(TOO_MUCH);
  }
  if (!texts.length || damaged && !characters) throw new PdfError("is damaged");
  const filled = texts.filter(({ text, unreadable }) => text && unreadable * 2 <= text.length);
  if (!filled.length && texts.some(({ unreadable }) => unreadable)) throw new PdfError("does not state the characters of its text");
  return { text: filled.map(({ text }) => text).join("\n\n"), pages: texts.length, empty: texts.length - filled.length };
}
async function* pagesOf(document2) {
  const root = await document2.get(document2.trailer, "Root");
  const seen = /* @__PURE__ */ new Set();
  const pending = [{ node: await document2.get(root, "Pages"), resources: /* @__PURE__ */ new Map() }];
  let count2 = 0;
  while (pending.length && count2 < MAX_PAGES) {
    const { node, resources } = pending.shift();
    if (!(node instanceof Map) || seen.has(node)) continue;
    seen.add(node);
    const own = node.has("Resources") ? await document2.dictionary(node, "Resources") : resources;
    const kids = await document2.get(node, "Kids");
    if (Array.isArray(kids)) {
      const found = [];
      for (const kid of kids.slice(0, MAX_PAGES)) found.push({ node: await document2.resolve(kid), resources: own });
      pending.unshift(...found);
    } else {
      count2 += 1;
      yield { node, resources: own };
    }
  }
}
function product(a, b) {
  return [
    a[0] * b[0] + a[1] * b[2],
    a[0] * b[1] + a[1] * b[3],
    a[2] * b[0] + a[3] * b[2],
    a[2] * b[1] + a[3] * b[3],
    a[4] * b[0] + a[5] * b[2] + b[4],
    a[4] * b[1] + a[5] * b[3] + b[5]
  ];
}
var Drawing = class {
  #document;
  #fonts;
  #writer;
  #pause;
  #depth = 0;
  #saved = [];
  #state = { matrix: IDENTITY, font: null, size: 1, letterGap: 0, wordGap: 0, stretch: 1, leading: 0, rise: 0 };
  #text = IDENTITY;
  #line = IDENTITY;
  #marks = [];
  // for each open mark, its own text or null
  constructor(document2, fonts, writer, pause) {
    this.#document = document2;
    this.#fonts = fonts;
    this.#writer = writer;
    this.#pause = pause;
  }
  /** Draw a page; resolves to false if its content is missing from the file. */
  async page({ node, resources }) {
    const parts2 = [];
    for (const part of await this.#document.list(node, "Contents")) {
      if (part instanceof Stream) parts2.push(await this.#document.decode(part), Uint8Array.of(10));
    }
    await this.#draw(joined(parts2), resources);
    return parts2.length > 0 || !node.has("Contents");
  }
  async #draw(bytes, resources) {
    const reader = new ObjectReader(bytes, 0, false);
    let operands = [];
    let count2 = 0;
    for (let item = reader.read(); item !== END; item = reader.read()) {
      if (!(item instanceof Keyword)) {
        if (operands.length < 100) operands.push(item);
        continue;
      }
      if (++count2 % 256 === 0) await this.#pause();
      if (item.value === "BI") skipImage(reader);
      else await this.#operate(item.value, operands, resources);
      operands = [];
    }
  }
  async #operate(operator, operands, resources) {
    const state = this.#state;
    const numbers2 = operands.map((operand) => typeof operand === "number" ? operand : 0);
    const [first = 0, second = 0] = numbers2;
    switch (operator) {
      case "q":
        if (this.#saved.length < MAX_SAVED_STATES) this.#saved.push({ ...state });
        break;
      case "Q":
        this.#state = this.#saved.pop() ?? state;
        break;
      case "cm":
        if (numbers2.length >= 6) state.matrix = product(numbers2, state.matrix);
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
        if (numbers2.length >= 6) this.#text = this.#line = numbers2.slice(0, 6);
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
    const wide = text[0] === 254 && text[1] === 255;
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
      if (typeof item === "number") this.#advance(-item / 1e3 * size * stretch);
      if (!(item instanceof Uint8Array) || !font) continue;
      for (const { text, width, space } of font.decode(item)) {
        const step = (width * size + letterGap + (space ? wordGap : 0)) * stretch;
        const place2 = product(product([size * stretch, 0, 0, size, 0, rise], this.#text), this.#state.matrix);
        this.#advance(step);
        const end = product(this.#text, this.#state.matrix);
        this.#write(text, place2, [end[4], end[5]]);
      }
    }
  }
  #write(text, place2, end) {
    const own = this.#marks.find(Boolean);
    if (!own) return this.#writer.write(text, place2, end);
    this.#writer.write(own.written ? "" : own.text, place2, end);
    own.written = true;
  }
  #advance(x) {
    this.#text = product([1, 0, 0, 1, x, 0], this.#text);
  }
};
function skipImage(reader) {
  for (let item = reader.read(); item !== END; item = reader.read()) {
    if (item instanceof Keyword && item.value === "ID") break;
  }
  const { bytes } = reader;
  const isSpace = (byte) => byte === void 0 || byte === 0 || byte === 32 || byte >= 9 && byte <= 13;
  for (let at = bytes.indexOf(69, reader.at); at >= 0; at = bytes.indexOf(69, at + 1)) {
    if (bytes[at + 1] !== 73 || !isSpace(bytes[at - 1]) || !isSpace(bytes[at + 2])) continue;
    reader.at = at + 2;
    return;
  }
  reader.at = bytes.length;
}
var TextWriter = class {
  #parts = [];
  #last = null;
  // {end, size} of the last character
  #fresh = true;
  // nothing is in the line yet
  unreadable = 0;
  // characters that the file does not state
  /** Add `text` of a character drawn at `place`, a transformation; the next one of the line would be at `end`. */
  write(text, [a, b, c, d, x, y], end) {
    const size = Math.hypot(c, d) || 1;
    if (text === null) this.unreadable += 1;
    if (this.#last) this.#separate([a, b], [x, y], size);
    this.#last = { end, size };
    if (!text || this.#fresh && text === " ") return;
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
};

// attachments.js
var LONG_PASTE_CHARACTERS = 4e3;
var MAX_TEXT_BYTES = 1e6;
var MAX_PDF_BYTES = 5e7;
var CHARACTERS_PER_TOKEN = 4;
async function readFiles(list) {
  const files = [];
  const notes = [];
  for (const file of list) {
    const { text, note } = await readFile(file);
    if (text) files.push({ name: file.name, text });
    if (note) notes.push(`“${file.name}” ${note}.`);
  }
  return { files, notes };
}
async function readFile(file) {
  if (await isPdf(file)) return readPdf(file);
  if (file.size > MAX_TEXT_BYTES) return { note: "is larger than 1 MB" };
  const text = decode(await file.arrayBuffer());
  if (text === null) return { note: "is neither text nor a PDF file" };
  return text ? { text } : { note: "is empty" };
}
async function isPdf(file) {
  return decode(await file.slice(0, 5).arrayBuffer()) === "%PDF-" || /\.pdf$/i.test(file.name);
}
async function readPdf(file) {
  if (file.size > MAX_PDF_BYTES) return { note: "is larger than 50 MB" };
  try {
    const { text, pages, empty } = await pdfText(new Uint8Array(await file.arrayBuffer()));
    if (!text) return { note: "has no text. It may be a scan" };
    return { text, note: empty ? `has ${pages} pages; ${empty === 1 ? "1 of them has" : `${empty} of them have`} no text that can be read` : null };
  } catch (error) {
    return { note: error instanceof PdfError ? error.message : "cannot be read" };
  }
}
function decode(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? null : text.replaceAll(/\r\n?/g, "\n");
  } catch {
    return null;
  }
}
function withFiles(text, files = []) {
  const fenced = files.map((file) => {
    const longest = Math.max(2, ...(file.text.match(/`+/g) ?? []).map((run) => run.length));
    const fence = "`".repeat(longest + 1);
    return `File: ${file.name.replaceAll(/\s+/g, " ")}
${fence}
${file.text.trimEnd()}
${fence}`;
  });
  return [...fenced, text].filter(Boolean).join("\n\n");
}
function tokensText2(text) {
  const tokens = Math.ceil(text.length / CHARACTERS_PER_TOKEN);
  return `about ${tokens.toLocaleString("en")} ${tokens === 1 ? "token" : "tokens"}`;
}

// conversation.js
var TITLE_LENGTH = 60;
function newConversation(settings2) {
  const now = Date.now();
  const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
  return { id, title: "New conversation", named: false, created: now, updated: now, settings: { ...settings2 }, leaf: null, messages: {} };
}
function addMessage(conversation, parent, role, content, files = []) {
  const id = `${Object.keys(conversation.messages).length}`;
  const message = { id, parent, role, content, created: Date.now(), streaming: false };
  if (files.length) message.files = files;
  conversation.messages[id] = message;
  conversation.leaf = id;
  conversation.updated = message.created;
  if (!conversation.named && role === "user" && parent === null) conversation.title = titleOf(content || (files[0]?.name ?? ""));
  return message;
}
function titleOf(text) {
  const line = text.trim().split("\n", 1)[0].replace(/\s+/g, " ");
  const characters = [...line];
  if (characters.length <= TITLE_LENGTH) return line || "New conversation";
  return `${characters.slice(0, TITLE_LENGTH - 1).join("").trimEnd()}…`;
}
function branch(conversation, leaf = conversation.leaf) {
  const messages = [];
  for (let id = leaf; id !== null; id = conversation.messages[id].parent) messages.unshift(conversation.messages[id]);
  return messages;
}
function versions(conversation, message) {
  return Object.values(conversation.messages).filter((other) => other.parent === message.parent);
}
function showVersion(conversation, message) {
  let end = message;
  for (; ; ) {
    const below = Object.values(conversation.messages).filter((other) => other.parent === end.id);
    if (!below.length) break;
    end = below.at(-1);
  }
  conversation.leaf = end.id;
}
function requestMessages(conversation, message) {
  const system = conversation.settings.system?.trim();
  const asked = system ? [{ role: "system", content: system }] : [];
  const messages = branch(conversation, message.id);
  messages.forEach(({ role, content, files, leftOut }, index) => {
    if (leftOut || role === "user" && hasRejectedQuestion(messages[index + 1])) return;
    const text = withFiles(content, files);
    if (!text) return;
    const last = asked.at(-1);
    if (role === "user" && last?.role === "user") last.content += `

${text}`;
    else asked.push({ role, content: text });
  });
  return asked;
}
function earlierMessages(conversation, message) {
  return branch(conversation, message.parent).slice(0, -1).filter(({ leftOut }) => !leftOut);
}
function leaveOutOlder(conversation, reply) {
  const earlier = earlierMessages(conversation, reply);
  const questions = earlier.filter(({ role }) => role === "user").length;
  let left = Math.ceil(questions / 2);
  for (const message of earlier) {
    if (message.role === "user" && left-- <= 0) break;
    message.leftOut = true;
  }
}
function hasRejectedQuestion(reply) {
  return isRejected(reply?.error) && !hasBegun(reply);
}
function hasBegun({ content, thoughts, calls }) {
  return Boolean(content || thoughts || calls?.length);
}
function contains(conversation, text) {
  const wanted = text.toLocaleLowerCase();
  if (conversation.title.toLocaleLowerCase().includes(wanted)) return true;
  return Object.values(conversation.messages).some(({ content }) => content.toLocaleLowerCase().includes(wanted));
}
function settle(conversation) {
  for (const message of Object.values(conversation.messages)) {
    if (!message.streaming) continue;
    message.streaming = false;
    message.error = { kind: "closed", message: "The page was closed before the reply was complete." };
  }
  return conversation;
}

// preferences.js
var memory = /* @__PURE__ */ new Map();
function slot(name) {
  return `chat:${PLACE}:${name}`;
}
function onForeignPreference(name, listener) {
  globalThis.addEventListener("storage", ({ key }) => {
    if (key !== slot(name)) return;
    memory.delete(name);
    listener();
  });
}
function read(storage, name) {
  try {
    return JSON.parse(globalThis[storage].getItem(slot(name)));
  } catch {
    return null;
  }
}
function write(storage, name, value) {
  try {
    if (value === null) globalThis[storage].removeItem(slot(name));
    else globalThis[storage].setItem(slot(name), JSON.stringify(value));
  } catch {
  }
}
function preference(name) {
  return memory.has(name) ? memory.get(name) : read("localStorage", name);
}
function prefer(name, value) {
  memory.set(name, value);
  write("localStorage", name, value);
}
function accessKey() {
  return memory.get("key") ?? read("sessionStorage", "key") ?? read("localStorage", "key");
}
function keyIsRemembered() {
  return read("localStorage", "key") !== null;
}
function useKey(key, remember) {
  memory.set("key", key);
  write("sessionStorage", "key", remember ? null : key);
  write("localStorage", "key", remember ? key : null);
}

// progress.js
var COLD_PHASES = ["starting", "fetching", "loading"];
var PHASES2 = [...COLD_PHASES, "queued", "prefill"];
var CONNECTING = { phase: "connecting", cold: false, done: null, eta: null, detail: "" };
function progressed(state, comment) {
  const [word] = comment.split(" ", 1);
  if (!PHASES2.includes(word)) return state.phase === "connecting" ? { ...state, phase: "waiting" } : state;
  const percent = /(\d+(?:\.\d+)?)%/.exec(comment);
  const eta = /eta (\d+(?:\.\d+)?)s/.exec(comment);
  const count2 = /(\d+)\/(\d+)/.exec(comment);
  const next = { phase: word, cold: state.cold || COLD_PHASES.includes(word), done: null, eta: null, detail: "" };
  if (percent) next.done = Math.min(1, Number(percent[1]) / 100);
  if (eta) next.eta = Number(eta[1]);
  if (count2 && Number(count2[2])) {
    next.done = Math.min(1, Number(count2[1]) / Number(count2[2]));
    next.detail = `${count2[1]} of ${count2[2]} tokens`;
  }
  if (word === "queued") next.detail = ahead(Number(/\d+/.exec(comment)?.[0] ?? 0));
  return next;
}
function coldProgress({ state, done = null, eta = null }) {
  return COLD_PHASES.includes(state) ? { phase: state, cold: true, done, eta, detail: "" } : null;
}
function ahead(requests) {
  if (!requests) return "next in line";
  return requests === 1 ? "1 request ahead" : `${requests} requests ahead`;
}
function phaseText(state) {
  return {
    connecting: "Connecting",
    waiting: "Waiting for the first token",
    starting: "Starting an instance",
    fetching: "Fetching the model",
    loading: "Loading the model",
    queued: "Waiting for the model to be free",
    prefill: "Reading the conversation"
  }[state.phase];
}
function detailText(state) {
  const parts2 = [];
  if (state.detail) parts2.push(state.detail);
  else if (state.done !== null) parts2.push(`${Math.floor(state.done * 100)}%`);
  if (state.eta !== null) parts2.push(`${roughly(state.eta)} left`);
  return parts2.join(" · ");
}
function roughly(seconds) {
  if (seconds < 1) return "less than a second";
  return seconds < 90 ? `about ${Math.round(seconds)} s` : `about ${Math.round(seconds / 60)} min`;
}

// store.js
var TABLE = "conversations";
var channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(`chat:${PLACE}`) : null;
var database = null;
async function openStore() {
  try {
    const request = indexedDB.open(`chat:${PLACE}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
    database = await settled(request);
    return true;
  } catch {
    return false;
  }
}
function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}
function table(mode) {
  return database.transaction(TABLE, mode).objectStore(TABLE);
}
async function loadConversations() {
  if (!database) return [];
  const held = await heldReplies();
  const found = await settled(table("readonly").getAll());
  return found.map((conversation) => held.includes(conversation.id) ? conversation : settle(conversation));
}
async function loadConversation(id) {
  const found = database ? await settled(table("readonly").get(id)) : void 0;
  return found && ((await heldReplies()).includes(id) ? found : settle(found));
}
async function saveConversation(conversation) {
  if (!database) return true;
  try {
    await settled(table("readwrite").put(conversation));
  } catch {
    return false;
  }
  channel?.postMessage(conversation.id);
  return true;
}
async function deleteConversation(id) {
  if (database) await settled(table("readwrite").delete(id));
  channel?.postMessage(id);
}
function onForeignChange(listener) {
  channel?.addEventListener("message", ({ data }) => listener(data));
}
var LOCK = `chat:${PLACE}:reply:`;
function holdReply(id) {
  let release;
  const ended = new Promise((resolve) => release = resolve);
  navigator.locks?.request(LOCK + id, () => ended);
  return release;
}
async function heldReplies() {
  const locks = (await navigator.locks?.query())?.held ?? [];
  return locks.filter(({ name }) => name.startsWith(LOCK)).map(({ name }) => name.slice(LOCK.length));
}
async function replyReleased(id) {
  await navigator.locks.request(LOCK + id, { mode: "shared" }, () => {
  });
}

// chat.js
var MIN_MEASURABLE_MS = 50;
var CONTINUED = { continue_final_message: true, add_generation_prompt: false };
var SAVE_INTERVAL_MS = 1e3;
var Chat = class extends EventTarget {
  conversations = [];
  current = null;
  active = null;
  // {conversation, message, progress, began, controller, saving}
  queued = null;
  // {conversation, text, files}: the message that follows the coming reply
  keeps = true;
  elsewhere = /* @__PURE__ */ new Set();
  // ids of the conversations whose reply is coming in another tab
  async open() {
    this.keeps = await openStore();
    this.conversations = await loadConversations();
    const last = this.conversations.find(({ id }) => id === preference("current"));
    this.current = last ?? this.#empty();
    onForeignChange((id) => this.#reload(id));
    for (const id of await heldReplies()) this.#waitForTab(id);
  }
  /** True while a reply is coming here, or in another tab to the current conversation. */
  get isBusy() {
    return Boolean(this.active) || this.elsewhere.has(this.current.id);
  }
  /** Conversations with messages, the latest first. */
  get listed() {
    const begun = this.conversations.filter(({ messages }) => Object.keys(messages).length);
    return begun.sort((a, b) => b.updated - a.updated);
  }
  begin() {
    this.show(this.#empty());
  }
  show(conversation) {
    this.current = conversation;
    prefer("current", conversation.id);
    this.#notify("list", "thread");
  }
  /** Show the branch through `message`. */
  showVersion(message) {
    showVersion(this.current, message);
    this.save(this.current);
    this.#notify("thread");
  }
  rename(conversation, title) {
    Object.assign(conversation, { title, named: true });
    this.save(conversation);
    this.#notify("list");
  }
  async delete(conversation) {
    if (this.active?.conversation === conversation) this.stop();
    this.conversations = this.conversations.filter((other) => other !== conversation);
    if (this.current === conversation) this.show(this.#empty());
    else this.#notify("list");
    await deleteConversation(conversation.id);
  }
  /** Save settings for the current conversation and for later ones. */
  configure(settings2) {
    this.current.settings = settings2;
    prefer("settings", settings2);
    if (Object.keys(this.current.messages).length) this.save(this.current);
    this.#notify("list");
  }
  /** Send `text` with `files` below message `parent`; by default at the end of what is shown. */
  send(text, { parent = this.current.leaf, files = [], conversation = this.current } = {}) {
    if (this.active || this.elsewhere.has(conversation.id)) return;
    if (!this.conversations.includes(conversation)) this.conversations.push(conversation);
    const question = addMessage(conversation, parent, "user", text, files);
    this.#reply(conversation, addMessage(conversation, question.id, "assistant", ""));
  }
  /** Send `text` with `files` once the coming reply is complete. */
  queue(text, files) {
    this.queued = { conversation: this.active.conversation, text, files };
    this.#notify("queue");
  }
  /** Take the queued message back; returns it. */
  unqueue() {
    const { queued } = this;
    this.queued = null;
    this.#notify("queue");
    return queued;
  }
  /** Ask again for `reply`: a failed one that never began is replaced, any other gets a further version. */
  again(reply) {
    if (this.isBusy) return;
    const conversation = this.current;
    const message = hasBegun(reply) ? addMessage(conversation, reply.parent, "assistant", "") : reply;
    this.#reply(conversation, Object.assign(message, { error: null, finish: null, stats: null }));
  }
  /** Ask again for `reply` without the older half of the messages before it. */
  againShorter(reply) {
    if (this.isBusy) return;
    leaveOutOlder(this.current, reply);
    this.again(reply);
  }
  /** Ask for the rest of `reply`, which is added to it. */
  continueReply(reply) {
    if (this.isBusy) return;
    this.#reply(this.current, Object.assign(reply, { error: null, finish: null }), { continued: true });
  }
  /** Add conversations that a file contains, and show the first of them. */
  import(conversations) {
    this.conversations.push(...conversations);
    for (const conversation of conversations) this.save(conversation);
    this.show(conversations[0]);
  }
  stop() {
    this.active?.controller.abort();
  }
  async save(conversation) {
    if (!this.conversations.includes(conversation)) return;
    const kept = await saveConversation(conversation);
    if (kept === this.keeps) return;
    this.keeps = kept;
    this.#notify("storage");
  }
  async #reply(conversation, message, { continued = false } = {}) {
    message.streaming = true;
    const began = performance.now();
    const controller = new AbortController();
    const active = { conversation, message, began, controller, progress: CONNECTING, saving: null, first: null, last: null, thinking: null };
    Object.assign(active, { before: continued ? message.stats : null, usage: null, receipt: null });
    this.active = active;
    const release = holdReply(conversation.id);
    this.save(conversation);
    this.#notify("list", "thread", "reply");
    const last = continued ? message : conversation.messages[message.parent];
    const body = {
      messages: requestMessages(conversation, last),
      ...continued ? CONTINUED : {},
      stream: true,
      stream_options: { include_usage: true },
      ...samplingFields(conversation.settings)
    };
    try {
      for await (const part of complete(body, { key: accessKey(), signal: controller.signal })) this.#take(active, part);
    } catch (error) {
      if (controller.signal.aborted) message.finish = "stopped";
      else message.error = { ...reason(error).plain(), at: Date.now() };
    }
    endThoughts(active);
    clearTimeout(active.saving);
    message.streaming = false;
    conversation.updated = Date.now();
    this.active = null;
    this.save(conversation).then(release);
    this.dispatchEvent(new CustomEvent("reply", { detail: active }));
    this.#notify("list");
    if (this.queued && !message.error) this.#sendQueued();
  }
  #take(active, part) {
    const { message } = active;
    if (part.comment !== void 0 && active.first === null) {
      active.progress = progressed(active.progress, part.comment);
      this.#notify("progress");
    }
    if (part.model) message.model = part.model;
    if (part.finish) message.finish = part.finish;
    if (part.thought || part.text || part.call) this.#grow(active, part);
    if (part.usage) Object.assign(active, { usage: part.usage, receipt: part.receipt });
    if (active.first !== null) message.stats = statistics(active);
  }
  #grow(active, { thought, text, call }) {
    const { message } = active;
    active.last = performance.now();
    active.first ??= active.last;
    if (thought) {
      active.thinking ??= active.last;
      message.thoughts = (message.thoughts ?? "") + thought;
    } else {
      endThoughts(active);
    }
    if (text) message.content += text;
    if (call) addToCalls(message.calls ??= [], call);
    this.#notify("text");
    active.saving ??= setTimeout(() => {
      active.saving = null;
      this.save(active.conversation);
    }, SAVE_INTERVAL_MS);
  }
  #sendQueued() {
    const { text, files, conversation } = this.unqueue();
    if (this.conversations.includes(conversation)) this.send(text, { files, conversation, parent: conversation.leaf });
  }
  #empty() {
    return newConversation(preference("settings") ?? {});
  }
  /** Another tab has written the conversation, or deleted it. */
  async #reload(id) {
    if (this.active?.conversation.id === id) return;
    const found = await loadConversation(id);
    const known = this.conversations.find((other) => other.id === id);
    if (found && known) Object.assign(known, found);
    else if (found) this.conversations.push(found);
    else this.conversations = this.conversations.filter((other) => other !== known);
    if ((await heldReplies()).includes(id)) this.#waitForTab(id);
    if (this.current.id !== id) return this.#notify("list");
    if (!found) this.current = this.#empty();
    else if (!known) this.current = found;
    this.#notify("list", "thread");
  }
  async #waitForTab(id) {
    if (this.elsewhere.has(id) || this.active?.conversation.id === id) return;
    this.elsewhere.add(id);
    this.#notify("tabs");
    await replyReleased(id);
    this.elsewhere.delete(id);
    await this.#reload(id);
    this.#notify("tabs");
  }
  #notify(...names) {
    for (const name of names) this.dispatchEvent(new CustomEvent(name));
  }
};
function reason(error) {
  if (error instanceof ReplyError) return error;
  return new ReplyError("failed", "The page could not show the reply.", { detail: error.message });
}
function endThoughts(active) {
  if (active.thinking === null) return;
  active.message.thoughtSeconds = (active.message.thoughtSeconds ?? 0) + (performance.now() - active.thinking) / 1e3;
  active.thinking = null;
}
function addToCalls(calls, { index, name, arguments: piece }) {
  const call = calls[index] ??= { name: "", arguments: "" };
  call.name += name;
  call.arguments += piece;
}
function statistics({ began, first, last, progress, before, usage, receipt }) {
  const count2 = usage?.completion_tokens ?? null;
  const speed = count2 > 1 && last - first > MIN_MEASURABLE_MS ? (count2 - 1) / ((last - first) / 1e3) : null;
  const firstToken = before?.firstToken ?? (first - began) / 1e3;
  const tokens = count2 === null ? null : count2 + (before?.tokens ?? 0);
  return { firstToken, speed, tokens, usage, cold: progress.cold || before?.cold === true, receipt };
}

// dom.js
function byId(id) {
  return (
    /** @type {any} */
    document.getElementById(id)
  );
}
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== void 0) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== void 0 && child !== false));
  return made;
}
function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}
function iconButton(name, label, click, properties = {}) {
  return element("button", { type: "button", class: "icon-button", title: label, "aria-label": label, click, ...properties }, icon(name));
}

// announce.js
var spoken = "";
function announce(text) {
  if (text === spoken) return;
  spoken = text;
  byId("announcer").textContent = text;
}

// drafts.js
var EMPTY = { text: "", files: [] };
function slot2(conversation) {
  return `draft:${conversation.leaf === null ? "new" : conversation.id}`;
}
function draftOf(conversation) {
  return preference(slot2(conversation)) ?? EMPTY;
}
function keepDraft(conversation, { text, files }) {
  prefer(slot2(conversation), text || files.length ? { text, files } : null);
}

// keys.js
var TOUCH = matchMedia("(pointer: coarse)");
function sends(event) {
  if (event.key !== "Enter" || event.isComposing) return false;
  return event.ctrlKey || event.metaKey || !event.shiftKey && !TOUCH.matches;
}

// composer.js
var Composer = class {
  #chat;
  #text = byId("message");
  #send = byId("send");
  #stop = byId("stop");
  #later = byId("send-later");
  #elsewhere = byId("elsewhere");
  #attached = byId("attached");
  #queued = byId("queued");
  #problem = byId("attach-problem");
  #files = [];
  #reading = 0;
  // files that are being read
  #conversation = null;
  constructor(chat2) {
    this.#chat = chat2;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#changed());
    this.#text.addEventListener("keydown", (event) => {
      if (!sends(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#later.addEventListener("click", () => this.#submit());
    this.#stop.addEventListener("click", () => chat2.stop());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) chat2.stop();
    });
    chat2.addEventListener("reply", ({ detail }) => this.#turned(detail));
    chat2.addEventListener("thread", () => this.#show());
    for (const name of ["queue", "tabs"]) chat2.addEventListener(name, () => this.#update());
    globalThis.addEventListener("pagehide", () => this.#takeBack());
    this.#listenForFiles();
    this.#update();
  }
  focus() {
    this.#text.focus();
  }
  /** Send `text` at once. */
  submit(text) {
    this.#text.value = text;
    this.#submit();
  }
  #listenForFiles() {
    const picker = byId("files");
    byId("attach").addEventListener("click", () => picker.click());
    picker.addEventListener("change", async () => {
      await this.#attach([...picker.files]);
      picker.value = "";
    });
    this.#text.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      const text = event.clipboardData.getData("text/plain");
      if (files.length && !text) this.#attach(files);
      else if (text.length > LONG_PASTE_CHARACTERS) this.#add([{ name: this.#pasteName(), text }]);
      else return;
      event.preventDefault();
    });
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dropping"));
    document.addEventListener("drop", (event) => {
      document.body.classList.remove("dropping");
      if (!carriesFiles(event)) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) this.#attach([...event.dataTransfer.files]);
    });
  }
  #pasteName() {
    const number2 = this.#files.filter(({ name }) => name.startsWith("pasted")).length + 1;
    return number2 === 1 ? "pasted.txt" : `pasted-${number2}.txt`;
  }
  async #attach(list) {
    const conversation = this.#chat.current;
    this.#reading += list.length;
    this.#problem.textContent = "";
    this.#update();
    const { files, notes } = await readFiles(list);
    this.#reading -= list.length;
    if (conversation === this.#chat.current) return this.#add(files, notes);
    const draft = draftOf(conversation);
    keepDraft(conversation, { text: draft.text, files: [...draft.files, ...files] });
    this.#update();
  }
  #add(files, notes = []) {
    this.#files = [...this.#files, ...files];
    this.#problem.textContent = notes.join(" ");
    announce([...files.map(({ name }) => `Attached ${name}`), ...notes].join(" "));
    this.#changed();
    this.focus();
  }
  #submit() {
    const text = this.#text.value.trim();
    const files = this.#files;
    if (this.#reading || !text && !files.length) return;
    const { active, queued, isBusy } = this.#chat;
    if (isBusy && !active) return;
    if (active && (queued || active.conversation !== this.#chat.current)) return;
    this.#text.value = "";
    this.#files = [];
    keepDraft(this.#chat.current, { text: "", files: [] });
    if (active) {
      this.#chat.queue(text, files);
      announce("Your message is sent after this reply.");
    } else {
      this.#chat.send(text, { files });
    }
    this.#update();
  }
  #turned(ended) {
    const stopping = document.activeElement === this.#stop;
    if (ended?.message.error) this.#takeBack();
    this.#update();
    if (ended && stopping) this.focus();
    else if (!ended && document.activeElement === document.body) this.#stop.focus();
  }
  /** Make the queued message a draft again: after a failed reply, and when the page goes away. */
  #takeBack() {
    if (!this.#chat.queued) return;
    const { conversation, text, files } = this.#chat.unqueue();
    const draft = conversation === this.#conversation ? { text: this.#text.value, files: this.#files } : draftOf(conversation);
    keepDraft(conversation, { text: [text, draft.text].filter(Boolean).join("\n\n"), files: [...files, ...draft.files] });
    if (conversation === this.#conversation) this.#load();
  }
  /** Another conversation may be shown: show its draft. */
  #show() {
    if (this.#conversation !== this.#chat.current) this.#load();
    this.#update();
  }
  #load() {
    this.#conversation = this.#chat.current;
    const { text, files } = draftOf(this.#conversation);
    this.#text.value = text;
    this.#files = files;
    this.#problem.textContent = "";
    this.#update();
  }
  #changed() {
    keepDraft(this.#chat.current, { text: this.#text.value, files: this.#files });
    this.#update();
  }
  #update() {
    const { active, current, queued, isBusy } = this.#chat;
    const written = !this.#reading && (this.#text.value.trim() || this.#files.length);
    this.#stop.hidden = !active;
    this.#send.hidden = Boolean(active);
    this.#send.disabled = !written || isBusy;
    this.#later.hidden = !(active && written && !queued && active.conversation === current);
    if (active && active.conversation !== current) this.#elsewhere.textContent = `A reply is coming in “${active.conversation.title}”.`;
    else this.#elsewhere.textContent = isBusy && !active ? "A reply is coming in another tab." : "";
    document.body.classList.toggle("replying", isBusy);
    this.#showFiles();
    this.#showQueued(queued?.conversation === current ? queued : null);
    this.#fit();
  }
  #showFiles() {
    const reading = this.#reading ? [element("li", { class: "chip reading" }, icon("file"), this.#reading === 1 ? "Reading a file…" : `Reading ${this.#reading} files…`)] : [];
    this.#attached.replaceChildren(...this.#files.map((file) => this.#chip(file)), ...reading);
    this.#attached.hidden = !this.#attached.children.length;
  }
  #chip(file) {
    const remove = () => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#changed();
      this.focus();
    };
    const name = element("span", { class: "chip-name", dir: "auto" }, file.name);
    return element("li", { class: "chip" }, icon("file"), name, element("small", {}, tokensText2(file.text)), iconButton("close", `Remove ${file.name}`, remove));
  }
  #showQueued(queued) {
    this.#queued.hidden = !queued;
    if (!queued) return this.#queued.replaceChildren();
    const text = element("span", { class: "chip-name", dir: "auto" }, queued.text || queued.files[0].name);
    const back = iconButton("edit", "Edit the queued message", () => {
      this.#takeBack();
      this.focus();
    });
    this.#queued.replaceChildren(element("small", {}, "Next:"), text, back);
  }
  /** As high as the text, up to what the style allows. */
  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
};

// context-gauge.js
var NEARLY_FULL = 0.8;
function contextGauge(chat2, server2) {
  const gauge = byId("gauge");
  const update = () => {
    const usage = branch(chat2.current).findLast(({ stats, leftOut }) => !leftOut && stats?.usage?.prompt_tokens)?.stats.usage;
    gauge.hidden = !usage;
    if (!usage) return;
    const used = usage.prompt_tokens + usage.completion_tokens;
    const { context } = server2;
    const share = context ? Math.min(1, used / context) : 0;
    byId("gauge-text").textContent = context ? `${count(used)} of ${count(context)} tokens` : `${count(used)} tokens`;
    gauge.classList.toggle("nearly-full", share >= NEARLY_FULL);
    gauge.classList.toggle("unmeasured", !context);
    byId("gauge-fill").style.setProperty("--done", String(share));
    gauge.title = context ? `The conversation takes ${Math.round(share * 100)}% of what the model can read` : "The length of the conversation";
  };
  chat2.addEventListener("thread", update);
  chat2.addEventListener("reply", update);
  server2.addEventListener("change", update);
}
function count(tokens) {
  return tokens.toLocaleString("en");
}

// server-state.js
var POLL_MILLISECONDS = 1e3;
var ServerState = class extends EventTarget {
  state = "unknown";
  model = null;
  context = null;
  // tokens
  progress = null;
  // of a cold start
  detail = null;
  // the server's own error, for the operator
  began = performance.now();
  #chat;
  constructor(chat2) {
    super();
    this.#chat = chat2;
    chat2.addEventListener("progress", () => this.#follow(chat2.active));
    chat2.addEventListener("reply", ({ detail }) => detail && this.#replied(detail.message));
  }
  async open() {
    await Promise.all([this.#askState(), this.#askModel()]);
  }
  async #askState() {
    const body = await ask("health/ready");
    if (this.#chat.active) return this.#later();
    if (!body) return this.#set({ state: "unreachable", progress: null });
    const progress = coldProgress(body);
    const state = progress ? "starting" : body.state === "ready" ? "ready" : "failed";
    const started = this.state === "starting" && state === "ready";
    this.#set({ state, progress, detail: body.error?.message ?? null });
    if (progress) this.#later();
    if (started) await this.#askModel();
  }
  async #askModel() {
    const card = (await ask("v1/models"))?.data?.[0];
    if (card) this.#set({ model: card.id, context: card.meta?.n_ctx ?? null });
  }
  #later() {
    setTimeout(() => {
      if (this.state !== "starting") return;
      if (this.#chat.active || document.hidden) this.#later();
      else this.#askState();
    }, POLL_MILLISECONDS);
  }
  #follow({ progress }) {
    if (progress.cold) this.#set({ state: progress.phase === "prefill" || progress.phase === "queued" ? "ready" : "starting", progress });
  }
  #replied({ error, model }) {
    const found = { unavailable: "failed", unreachable: "unreachable" }[error?.kind];
    if (found) this.#set({ state: found, progress: null });
    else if (model && !error) this.#set({ state: "ready", model, progress: null });
    else if (this.state === "starting") this.#askState();
  }
  #set(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new CustomEvent("change"));
  }
};
async function ask(path) {
  const key = accessKey();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    return await (await fetch(endpoint(path), { headers, cache: "no-store" })).json();
  } catch {
    return null;
  }
}
var QUANTISATION = /[-_.]((?:UD-)?(?:I?Q\d\w*|B?F16|F32|TQ\d\w*|MXFP4\w*))$/i;
function modelFacts({ model, context }) {
  if (!model) return [];
  const base = model.replace(/\.gguf$/i, "");
  const quantisation = QUANTISATION.exec(base)?.[1];
  const facts = [quantisation ? base.slice(0, -quantisation.length - 1) : base];
  if (quantisation) facts.push(quantisation.toUpperCase());
  if (context) facts.push(`${context.toLocaleString("en")} tokens of context`);
  return facts;
}

// header.js
var STATES = {
  unknown: "The state of the model is not known yet",
  starting: "The model is starting",
  ready: "The model is ready",
  failed: "The model is not available",
  unreachable: "The server cannot be reached"
};
function header(chat2, server2) {
  const update = () => {
    const { title, settings: settings2 } = chat2.current;
    const begun = chat2.current.leaf !== null;
    byId("title").textContent = title;
    byId("conversation-menu").hidden = !begun;
    byId("system-chip").hidden = !settings2.system;
    byId("system-chip-text").textContent = settings2.system ?? "";
    document.title = begun ? `${title} · Chat` : "Chat";
  };
  const showModel = () => {
    byId("model").textContent = server2.model ?? "";
    byId("model").title = modelFacts(server2).join(" · ");
    byId("state").dataset.state = server2.state;
    byId("state").title = STATES[server2.state];
    byId("state").setAttribute("aria-label", STATES[server2.state]);
  };
  const showStorage = () => {
    byId("not-kept").hidden = chat2.keeps;
  };
  chat2.addEventListener("list", update);
  chat2.addEventListener("storage", showStorage);
  server2.addEventListener("change", showModel);
  showStorage();
  showModel();
}

// manifest.js
function installable() {
  const icon2 = (rel) => (
    /** @type {HTMLLinkElement} */
    document.querySelector(`link[rel="${rel}"]`).href
  );
  const color = (
    /** @type {HTMLMetaElement} */
    document.querySelector('meta[name="theme-color"]').content
  );
  const scope = location.origin + PLACE.replace(/(.)\/$/, "$1");
  const manifest = {
    name: "Chat",
    short_name: "Chat",
    description: "A conversation with a language model",
    id: scope,
    start_url: scope,
    scope,
    display: "standalone",
    theme_color: color,
    background_color: color,
    icons: [
      { src: icon2("icon"), sizes: "any", type: "image/svg+xml" },
      { src: icon2("apple-touch-icon"), sizes: "192x192", type: "image/png", purpose: "maskable" }
    ]
  };
  document.head.append(element("link", { rel: "manifest", href: `data:application/manifest+json,${encodeURIComponent(JSON.stringify(manifest))}` }));
}

// dialogs.js
function askText(title, value, action) {
  const input = element("input", { type: "text", id: "dialog-text", maxlength: "200", autocomplete: "off", dir: "auto" });
  input.value = value;
  const label = element("label", { for: "dialog-text", class: "visually-hidden" }, title);
  return ask2(title, action, "primary", [label, input], () => input.value.trim() || null, () => input.value !== value);
}
function askConsent(title, text, action, refusal2 = "Cancel") {
  return ask2(title, action, "danger", [element("p", {}, text)], () => true, () => false, refusal2);
}
function ask2(title, action, style, content, answer2, isChanged, refusal2 = "Cancel") {
  return new Promise((resolve) => {
    let answered = null;
    const cancel = element("button", { type: "button", class: "button", click: () => dialog.close() }, refusal2);
    const submit = (event) => {
      event.preventDefault();
      answered = answer2();
      dialog.close();
    };
    const buttons = element("div", { class: "dialog-actions" }, cancel, element("button", { type: "submit", class: `button ${style}` }, action));
    const form = element("form", { submit }, element("h2", {}, title), ...content, buttons);
    const dialog = element("dialog", { class: "dialog small", "aria-label": title }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answered);
    });
    showDialog(dialog, isChanged);
    if (style === "danger") cancel.focus();
    else form.querySelector("input")?.select();
  });
}
function showDialog(dialog, isChanged = () => false) {
  const before = (
    /** @type {HTMLElement} */
    document.activeElement
  );
  if (!dialog.isConnected) byId("app").append(dialog);
  const leave = async () => {
    if (isChanged() && !await askConsent("Discard your changes?", "They are not saved yet.", "Discard", "Keep editing")) return;
    dialog.close();
  };
  const cancel = (event) => {
    event.preventDefault();
    leave();
  };
  const beside = (event) => event.target === dialog && leave();
  dialog.addEventListener("cancel", cancel);
  dialog.addEventListener("pointerdown", beside);
  const closed = () => {
    dialog.removeEventListener("cancel", cancel);
    dialog.removeEventListener("pointerdown", beside);
    if (before?.isConnected) before.focus();
  };
  dialog.addEventListener("close", closed, { once: true });
  dialog.showModal();
}

// settings-dialog.js
var SettingsDialog = class {
  #chat;
  #dialog = byId("settings-dialog");
  #system = byId("system");
  #key = byId("settings-key");
  #remember = byId("settings-remember");
  #fields = /* @__PURE__ */ new Map();
  constructor(chat2) {
    this.#chat = chat2;
    byId("sampling").append(...SAMPLING.map((item) => this.#field(item)));
    byId("settings-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#keep();
      this.#dialog.close();
    });
    byId("settings-cancel").addEventListener("click", () => this.#dialog.close());
    byId("settings-reset").addEventListener("click", () => this.#fill({}));
  }
  open() {
    this.#fill(this.#chat.current.settings);
    this.#key.value = accessKey() ?? "";
    this.#remember.checked = keyIsRemembered();
    const before = this.#values();
    showDialog(this.#dialog, () => this.#values() !== before);
  }
  #field({ name, label, usual, hint, ...limits }) {
    const id = `setting-${name}`;
    const input = element("input", { id, type: "number", inputmode: "decimal", placeholder: usual, "aria-describedby": `${id}-hint`, ...limits });
    input.step = "any";
    if (limits.step >= 1) input.step = String(limits.step);
    this.#fields.set(name, input);
    return element("div", { class: "field" }, element("label", { for: id }, label), input, element("span", { class: "hint", id: `${id}-hint` }, hint));
  }
  #fill(settings2) {
    this.#system.value = settings2.system ?? "";
    for (const [name, input] of this.#fields) input.value = settings2[name] ?? "";
  }
  /** Everything that is entered, as one comparable text. */
  #values() {
    const numbers2 = [...this.#fields.values()].map(({ value }) => value);
    return JSON.stringify([this.#system.value, this.#key.value, this.#remember.checked, ...numbers2]);
  }
  #keep() {
    const settings2 = { system: this.#system.value.trim() };
    for (const [name, input] of this.#fields) {
      if (input.value !== "") settings2[name] = input.valueAsNumber;
    }
    this.#chat.configure(settings2);
    const key = this.#key.value.trim();
    useKey(key || null, this.#remember.checked);
  }
};

// shortcuts.js
var APPLE = /Mac|iPhone|iPad/.test(navigator.userAgent);
var COMMAND = APPLE ? "⌘" : "Ctrl";
function keyboardShortcuts(shortcuts) {
  const help = { keys: "Mod+/", label: "Show these shortcuts", run: () => showSheet([...shortcuts, help]) };
  document.addEventListener("keydown", (event) => {
    const found = [...shortcuts, help].find(({ keys: keys2, run }) => run && matches(event, keys2));
    if (!found || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    found.run();
  });
  byId("shortcuts").addEventListener("click", help.run);
}
function matches(event, keys2) {
  const parts2 = keys2.split("+");
  const key = parts2.pop();
  const command = event.ctrlKey || event.metaKey;
  if (command !== parts2.includes("Mod") || event.altKey) return false;
  return event.key.toLowerCase() === key.toLowerCase() && (key === "/" || event.shiftKey === parts2.includes("Shift"));
}
function showSheet(shortcuts) {
  const rows = shortcuts.map(({ keys: keys2, label }) => {
    const caps = keys2.split("+").map((key) => element("kbd", {}, key === "Mod" ? COMMAND : key));
    return element("div", {}, element("dt", {}, label), element("dd", {}, ...caps));
  });
  const close = element("button", { type: "submit", class: "button primary" }, "Close");
  const form = element("form", { method: "dialog" }, element("h2", {}, "Keyboard shortcuts"), element("dl", { class: "shortcuts" }, ...rows), element("div", { class: "dialog-actions" }, close));
  const dialog = element("dialog", { class: "dialog small", "aria-label": "Keyboard shortcuts" }, form);
  dialog.addEventListener("close", () => dialog.remove());
  showDialog(dialog);
}

// import.js
var FORMAT = "chat-conversations";
var ROLES = ["user", "assistant"];
function readConversations(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error("The file is not JSON.");
  }
  const found = data?.format === FORMAT && Array.isArray(data.conversations) ? data.conversations.map(fromExport) : [fromRequest(data)];
  const read2 = found.filter((conversation) => conversation?.leaf);
  if (!read2.length) throw new Error("The file contains no conversation.");
  return read2;
}
function fromExport(data) {
  const conversation = newConversation(settingsOf(data?.settings));
  const ids = /* @__PURE__ */ new Map();
  for (const [id, message] of Object.entries(data?.messages ?? {})) {
    const parent = message?.parent === null ? null : ids.get(String(message?.parent));
    if (parent === void 0 || !ROLES.includes(message.role) || typeof message.content !== "string") continue;
    const added = addMessage(conversation, parent, message.role, message.content, filesOf(message.files));
    Object.assign(added, detailsOf(message));
    ids.set(id, added.id);
  }
  conversation.leaf = ids.get(String(data?.leaf)) ?? conversation.leaf;
  if (typeof data?.title === "string" && data.title) Object.assign(conversation, { title: data.title, named: data.named === true });
  if (Number.isFinite(data?.updated)) conversation.updated = data.updated;
  if (Number.isFinite(data?.created)) conversation.created = data.created;
  return conversation;
}
function fromRequest(data) {
  const messages = Array.isArray(data?.messages) ? data.messages : [];
  const system = messages.find((message) => message?.role === "system" && typeof message.content === "string");
  const conversation = newConversation(settingsOf({ ...data, system: system?.content }));
  for (const message of messages) {
    if (!ROLES.includes(message?.role) || typeof message.content !== "string") continue;
    addMessage(conversation, conversation.leaf, message.role, message.content);
  }
  return conversation;
}
function settingsOf(data) {
  const settings2 = {};
  if (typeof data?.system === "string") settings2.system = data.system;
  for (const { name } of SAMPLING) {
    if (Number.isFinite(data?.[name])) settings2[name] = data[name];
  }
  return settings2;
}
function filesOf(files) {
  if (!Array.isArray(files)) return [];
  return files.filter((file) => typeof file?.name === "string" && typeof file.text === "string").map(({ name, text }) => ({ name, text }));
}
function detailsOf({ created, finish, model, thoughts, thoughtSeconds, leftOut, calls, stats }) {
  const details2 = {};
  if (Number.isFinite(created)) details2.created = created;
  if (typeof finish === "string") details2.finish = finish;
  if (typeof model === "string") details2.model = model;
  if (typeof thoughts === "string") details2.thoughts = thoughts;
  if (Number.isFinite(thoughtSeconds)) details2.thoughtSeconds = thoughtSeconds;
  if (leftOut === true) details2.leftOut = true;
  if (Array.isArray(calls)) {
    details2.calls = calls.filter(Boolean).map((call) => ({ name: String(call.name), arguments: String(call.arguments) }));
  }
  if (Number.isFinite(stats?.firstToken)) details2.stats = statsOf(stats);
  return details2;
}
function statsOf({ firstToken, speed, tokens, cold, usage, receipt }) {
  const number2 = (value) => Number.isFinite(value) ? value : null;
  const counts = { prompt_tokens: number2(usage?.prompt_tokens), completion_tokens: number2(usage?.completion_tokens) };
  return { firstToken, speed: number2(speed), tokens: number2(tokens), usage: counts, cold: cold === true, receipt: readReceipt(receipt) };
}

// export.js
function asMarkdown(conversation) {
  const parts2 = [`# ${conversation.title}`];
  if (conversation.settings.system) parts2.push(`> ${conversation.settings.system.trim().replaceAll("\n", "\n> ")}`);
  for (const { role, content, model } of branch(conversation)) {
    if (content) parts2.push(`## ${role === "user" ? "You" : model ?? "Model"}`, content.trim());
  }
  return `${parts2.join("\n\n")}
`;
}
function asFile(conversations) {
  return `${JSON.stringify({ format: FORMAT, version: 1, conversations }, null, 2)}
`;
}
function asRequest(conversation) {
  const end = conversation.messages[conversation.leaf];
  const body = { messages: requestMessages(conversation, end), ...samplingFields(conversation.settings) };
  return `${JSON.stringify(body, null, 2)}
`;
}
function download(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1e4);
}
function fileName(title, ending) {
  const words = title.normalize("NFKD").replaceAll(/[\u0300-\u036f]/g, "").match(/[\p{L}\p{M}\p{N}]+/gu) ?? ["conversation"];
  return `${words.join("-").toLowerCase().slice(0, TITLE_LENGTH)}.${ending}`;
}

// menu.js
var opened = null;
function openMenu(anchor, items) {
  const again = opened?.anchor === anchor;
  closeMenu();
  if (again) return;
  const buttons = items.map(({ label, symbol, run, danger }) => {
    const click = () => {
      closeMenu();
      run();
    };
    const style = danger ? "menu-item danger" : "menu-item";
    return element("button", { type: "button", role: "menuitem", class: style, tabindex: "-1", click }, icon(symbol), label);
  });
  const menu = element("div", { class: "menu", role: "menu", "aria-label": anchor.getAttribute("aria-label"), keydown: keys }, ...buttons);
  anchor.closest("nav, main").append(menu);
  place(menu, anchor);
  anchor.setAttribute("aria-expanded", "true");
  opened = { anchor, menu };
  buttons[0].focus();
  document.addEventListener("pointerdown", outside);
  globalThis.addEventListener("resize", closeMenu);
}
function closeMenu() {
  if (!opened) return;
  const { anchor, menu } = opened;
  opened = null;
  document.removeEventListener("pointerdown", outside);
  globalThis.removeEventListener("resize", closeMenu);
  anchor.setAttribute("aria-expanded", "false");
  if (menu.contains(document.activeElement)) anchor.focus();
  menu.remove();
}
function outside(event) {
  if (!opened.menu.contains(event.target) && !opened.anchor.contains(event.target)) closeMenu();
}
function place(menu, anchor) {
  const { left, right, top, bottom } = anchor.getBoundingClientRect();
  const { offsetWidth, offsetHeight } = menu;
  const below = bottom + 4 + offsetHeight < innerHeight;
  const x = right - offsetWidth > 8 ? right - offsetWidth : left;
  menu.style.left = `${Math.min(x, innerWidth - offsetWidth - 8)}px`;
  menu.style.top = `${below ? bottom + 4 : Math.max(8, top - offsetHeight - 4)}px`;
}
function keys(event) {
  const items = [...event.currentTarget.children];
  const at = items.indexOf(document.activeElement);
  const to = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1
  }[event.key];
  if (to !== void 0) {
    event.preventDefault();
    items[to].focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    event.preventDefault();
    event.stopPropagation();
    closeMenu();
  }
}

// sidebar.js
var NARROW = matchMedia("(max-width: 52rem)");
var Sidebar = class {
  #chat;
  #list = byId("conversations");
  #sidebar = byId("sidebar");
  #toggle = byId("toggle-sidebar");
  #search = byId("search");
  constructor(chat2) {
    this.#chat = chat2;
    chat2.addEventListener("list", () => this.#render());
    chat2.addEventListener("reply", () => this.#render());
    byId("new-conversation").addEventListener("click", () => this.begin());
    byId("new-here").addEventListener("click", () => this.begin());
    this.#search.addEventListener("input", () => this.#render());
    this.#search.addEventListener("keydown", (event) => this.#searchKey(event));
    const picker = byId("import-file");
    byId("import").addEventListener("click", () => picker.click());
    picker.addEventListener("change", async () => {
      await this.#import(picker.files[0]);
      picker.value = "";
    });
    byId("export-all").addEventListener("click", () => download(asFile(chat2.listed), "conversations.json", "application/json"));
    byId("scrim").addEventListener("click", () => this.#open(false));
    byId("close-sidebar").addEventListener("click", () => this.#open(false));
    this.#toggle.addEventListener("click", () => this.toggle());
    byId("conversation-menu").addEventListener("click", ({ currentTarget }) => conversationMenu(chat2, chat2.current, currentTarget));
    this.#sidebar.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !NARROW.matches) return;
      event.stopPropagation();
      this.#open(false);
    });
    NARROW.addEventListener("change", () => this.#open(this.#opensAtFirst(), false));
    this.#open(this.#opensAtFirst(), false);
  }
  #opensAtFirst() {
    return !NARROW.matches && preference("sidebar") !== false;
  }
  #open(open, byHand = true) {
    this.#sidebar.inert = !open;
    document.body.classList.toggle("sidebar-open", open);
    this.#toggle.setAttribute("aria-expanded", open);
    document.querySelector("main").inert = open && NARROW.matches;
    if (!byHand) return;
    if (!NARROW.matches) prefer("sidebar", open);
    (open ? byId("new-conversation") : this.#toggle).focus();
  }
  toggle() {
    this.#open(this.#sidebar.inert);
  }
  begin() {
    this.#chat.begin();
    this.#leave();
  }
  /** Go to the search field. */
  search() {
    if (this.#sidebar.inert) this.#open(true);
    this.#search.select();
  }
  #searchKey(event) {
    if (event.key === "Escape" && this.#search.value) {
      event.stopPropagation();
      this.#search.value = "";
      this.#render();
    } else if (event.key === "Enter") {
      this.#list.querySelector(".conversation")?.click();
    }
  }
  async #import(file) {
    const problem = byId("import-problem");
    problem.textContent = "";
    try {
      const read2 = readConversations(await file.text());
      this.#chat.import(read2);
      announce(read2.length === 1 ? "Imported 1 conversation" : `Imported ${read2.length} conversations`);
      this.#leave();
    } catch (error) {
      problem.textContent = `“${file.name}” was not imported. ${error.message}`;
      announce(problem.textContent);
    }
  }
  /** A conversation was chosen: go to it. */
  #leave() {
    if (NARROW.matches) this.#open(false);
    byId("message").focus();
  }
  #render() {
    const focused = (
      /** @type {HTMLElement} */
      document.activeElement?.dataset?.conversation
    );
    const { listed } = this.#chat;
    const wanted = this.#search.value.trim();
    const found = wanted ? listed.filter((conversation) => contains(conversation, wanted)) : listed;
    this.#list.replaceChildren(...found.map((conversation) => this.#item(conversation)));
    byId("nothing-found").hidden = !wanted || found.length > 0;
    byId("export-all").hidden = this.#search.hidden = listed.length === 0;
    if (focused) this.#list.querySelector(`[data-conversation="${focused}"]`)?.focus();
    byId("no-conversations").hidden = listed.length > 0;
  }
  #item(conversation) {
    const { current, active } = this.#chat;
    const choose = () => {
      this.#chat.show(conversation);
      this.#leave();
    };
    const open = element(
      "button",
      { type: "button", class: "conversation", title: conversation.title, "data-conversation": conversation.id, click: choose },
      element("span", { dir: "auto" }, conversation.title)
    );
    if (conversation === current) open.setAttribute("aria-current", "true");
    if (active?.conversation === conversation) open.append(element("span", { class: "busy", role: "img", "aria-label": "Reply is coming" }));
    const more = element(
      "button",
      {
        type: "button",
        class: "icon-button more",
        "aria-label": `Actions for ${conversation.title}`,
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        click: ({ currentTarget }) => conversationMenu(this.#chat, conversation, currentTarget)
      },
      icon("more")
    );
    return element("li", {}, open, more);
  }
};
function conversationMenu(chat2, conversation, anchor) {
  const rename = async () => {
    const title = await askText("Rename conversation", conversation.title, "Rename");
    if (title) chat2.rename(conversation, title);
  };
  const erase = async () => {
    const text = `“${conversation.title}” is stored only in this browser. It cannot be restored.`;
    if (!await askConsent("Delete this conversation?", text, "Delete")) return;
    await chat2.delete(conversation);
    byId("message").focus();
  };
  const save = (text, ending, type) => download(text, fileName(conversation.title, ending), type);
  openMenu(anchor, [
    { label: "Rename", symbol: "edit", run: rename },
    { label: "Export as Markdown", symbol: "down", run: () => save(asMarkdown(conversation), "md", "text/markdown") },
    { label: "Export as JSON", symbol: "down", run: () => save(asFile([conversation]), "json", "application/json") },
    { label: "Export as API request", symbol: "down", run: () => save(asRequest(conversation), "request.json", "application/json") },
    { label: "Delete", symbol: "trash", run: erase, danger: true }
  ]);
}

// theme-button.js
var THEMES = ["system", "light", "dark"];
var SYMBOLS = { system: "auto", light: "sun", dark: "moon" };
function themeButton() {
  const button = byId("theme");
  const label = byId("theme-label");
  const apply = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.querySelector("svg").replaceWith(icon(SYMBOLS[theme]));
    label.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(preference("theme") ?? "system") + 1) % THEMES.length];
    prefer("theme", theme);
    apply(theme);
    announce(`Theme: ${theme}`);
  });
  const applySaved = () => apply(preference("theme") ?? "system");
  onForeignPreference("theme", applySaved);
  applySaved();
}

// clipboard.js
var COPIED_MS = 1500;
async function copyText(text, button) {
  const copied = await write2(text);
  announce(copied ? "Copied" : "The browser did not allow copying");
  if (!copied) return;
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), COPIED_MS);
}
async function write2(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeWithoutPermission(text);
  }
}
function writeWithoutPermission(text) {
  const focused = (
    /** @type {HTMLElement} */
    document.activeElement
  );
  const area = element("textarea", { class: "visually-hidden", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}

// versions-view.js
function versionSwitch(chat2, message) {
  const all = versions(chat2.current, message);
  if (all.length < 2) return null;
  const at = all.indexOf(message);
  const step = (by, symbol, label) => iconButton(symbol, label, () => show(chat2, all[at + by]), { disabled: !all[at + by] });
  return element(
    "span",
    { class: "versions", role: "group", "aria-label": "Versions" },
    step(-1, "back", "Earlier version"),
    element("span", { "aria-label": `Version ${at + 1} of ${all.length}`, role: "img" }, `${at + 1}/${all.length}`),
    step(1, "forth", "Later version")
  );
}
function show(chat2, message) {
  chat2.showVersion(message);
  const button = document.querySelector(`[data-message="${message.id}"] .versions button:enabled`);
  button?.focus();
}

// question-view.js
var FOLDED_CHARACTERS = 1500;
var FOLDED_LINES = 16;
var QuestionView = class {
  #chat;
  #body = element("div", { class: "question-body" });
  #editing = false;
  constructor(chat2, message) {
    this.#chat = chat2;
    this.message = message;
    const heading = element("h2", { class: "visually-hidden" }, "You");
    this.element = element("li", { class: "turn question" }, heading, this.#body);
  }
  refresh() {
    if (!this.#editing) this.#show();
  }
  #show() {
    const { message } = this;
    this.#editing = false;
    this.element.classList.remove("editing");
    const copy = iconButton("copy", "Copy message", () => copyText(message.content, copy));
    const edit = iconButton("edit", "Edit message", () => this.#edit(), { class: "icon-button asks edit-message" });
    const tools = element("div", { class: "tools" }, copy, edit, versionSwitch(this.#chat, message));
    const files = (message.files ?? []).map(({ name, text }) => {
      const summary = element("summary", {}, icon("file"), element("span", { dir: "auto" }, name), element("small", {}, tokensText2(text)));
      return element("details", { class: "file" }, summary, element("pre", { tabindex: "0", role: "region", "aria-label": name, dir: "auto" }, text));
    });
    const reveal = () => this.element.classList.toggle("revealed");
    const bubble = message.content ? element("div", { class: "bubble", dir: "auto", click: reveal }, message.content) : null;
    this.element.classList.toggle("left-out", Boolean(message.leftOut));
    this.#body.replaceChildren(...files, ...bubble ? [bubble, ...this.#fold(bubble)] : [], tools);
    return edit;
  }
  /** Fold a long message; returns the button that shows all of it. */
  #fold(bubble) {
    const { content } = this.message;
    if (content.length < FOLDED_CHARACTERS && content.split("\n").length < FOLDED_LINES) return [];
    const toggle = () => {
      const folded = bubble.classList.toggle("folded");
      button.textContent = folded ? "Show all" : "Show less";
      button.setAttribute("aria-expanded", String(!folded));
    };
    const button = element("button", { type: "button", class: "button plain fold", click: toggle });
    toggle();
    return [button];
  }
  #edit() {
    if (this.#chat.isBusy) return;
    this.#editing = true;
    this.element.classList.add("editing");
    const area = element("textarea", { class: "edit", dir: "auto", "aria-label": "Edit message", rows: "1" });
    area.value = this.message.content;
    const cancel = () => this.#show().focus();
    const submit = () => {
      const text = area.value.trim();
      const { parent, files } = this.message;
      if (!(text || files) || this.#chat.isBusy) return;
      this.#show();
      this.#chat.send(text, { parent, files });
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        cancel();
      } else if (sends(event)) {
        event.preventDefault();
        submit();
      }
    });
    const buttons = element(
      "div",
      { class: "edit-actions" },
      element("button", { type: "button", class: "button", click: cancel }, "Cancel"),
      element("button", { type: "button", class: "button primary asks", click: submit }, "Send")
    );
    this.#body.replaceChildren(area, buttons);
    area.focus();
  }
};

// highlight.js
var { hljs, DOMPurify } = (
  /** @type {any} */
  globalThis
);
var MAX_CHARACTERS2 = 5e4;
var PURIFY = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, RETURN_DOM_FRAGMENT: true };
function highlight(root) {
  for (const block of root.querySelectorAll(".code")) {
    const code = block.querySelector("code");
    const { language } = block.dataset;
    if (code.dataset.highlighted || !language || !hljs.getLanguage(language) || code.textContent.length > MAX_CHARACTERS2) continue;
    const { value } = hljs.highlight(code.textContent, { language, ignoreIllegals: true });
    code.replaceChildren(DOMPurify.sanitize(value, PURIFY));
    code.dataset.highlighted = "true";
  }
}

// math.js
var { temml } = (
  /** @type {any} */
  globalThis
);
var MAX_CHARACTERS3 = 5e3;
var OPTIONS = { throwOnError: true, trust: false, maxExpand: 200, maxSize: [20, 200] };
var BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
var INLINE = /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\)|\$(?![\s$])((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\w))/;
function extension(name, level, opening, pattern) {
  return {
    name,
    level,
    start: (text) => text.match(opening)?.index,
    tokenizer(text) {
      const found = pattern.exec(text);
      if (!found) return void 0;
      const [raw, dollars, brackets, parentheses, dollar] = found;
      const inline = parentheses ?? dollar;
      return { type: name, raw, tex: (dollars ?? brackets ?? inline).trim(), display: inline === void 0 };
    }
  };
}
var MATH_EXTENSIONS = [
  extension("mathBlock", "block", /\n(?:\$\$|\\\[)/, BLOCK),
  // a paragraph ends where a line begins with a formula
  extension("math", "inline", /\$|\\[([]/, INLINE)
];
function mathElement(tex, display) {
  const shown = element("span", { class: display ? "math display" : "math", dir: "ltr" });
  if (tex.length > MAX_CHARACTERS3) return plain(tex, display);
  try {
    temml.render(tex, shown, { ...OPTIONS, displayMode: display });
  } catch {
    return plain(tex, display);
  }
  return shown;
}
function plain(tex, display) {
  return element("code", { dir: "ltr" }, display ? `$$${tex}$$` : `$${tex}$`);
}

// markdown.js
var { marked, DOMPurify: DOMPurify2 } = (
  /** @type {any} */
  globalThis
);
var HARMLESS = /^<\/?(?:br|sub|sup|kbd|mark|[biu])\s*\/?>$/i;
var SCHEMES = ["http:", "https:", "mailto:"];
var DIRECTED = "h3, h4, h5, h6, ul, ol, blockquote, th, td, p:not(li p, blockquote p)";
var PURIFY2 = {
  ALLOWED_TAGS: [
    ..."p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code a strong em del b i u sub sup kbd mark".split(" "),
    ..."table thead tbody tr th td input var".split(" ")
  ],
  ALLOWED_ATTR: ["href", "start", "align", "title", "type", "checked", "disabled"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true
};
function escape(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
function isLink(href) {
  try {
    return SCHEMES.includes(new URL(href).protocol);
  } catch {
    return false;
  }
}
function html({ text, block }) {
  if (HARMLESS.test(text.trim())) return text;
  return block ? `<p>${escape(text.trim()).replaceAll("\n", "<br>")}</p>` : escape(text);
}
function mathMarkup({ tex, display }) {
  return `<var title="${display ? "display" : "inline"}">${escape(tex)}</var>`;
}
marked.use({
  extensions: MATH_EXTENSIONS.map((extension2) => ({ ...extension2, renderer: mathMarkup })),
  gfm: true,
  breaks: true,
  renderer: {
    html,
    code: ({ text, lang }) => `<pre title="${escape(lang ?? "")}">${escape(text)}</pre>`,
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)} (image)</a>`,
    checkbox: ({ checked }) => `<input type="checkbox"${checked ? " checked" : ""} disabled>`,
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + 2);
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    }
  }
});
DOMPurify2.addHook("afterSanitizeAttributes", (node) => {
  if (node.localName === "input") {
    node.setAttribute("type", "checkbox");
    node.setAttribute("disabled", "");
  }
  if (node.localName !== "a") return;
  const href = node.getAttribute("href") ?? "";
  if (!isLink(href)) return node.removeAttribute("href");
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("title", href);
});
function blocks(text) {
  return marked.lexer(text);
}
function renderBlock(token) {
  if (token.type === "code") return codeBlock(token.text, token.lang);
  const fragment = DOMPurify2.sanitize(marked.parser([token]), PURIFY2);
  for (const table2 of fragment.querySelectorAll("table")) wrapTable(table2);
  for (const pre of fragment.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre.textContent, pre.title));
  for (const math of fragment.querySelectorAll("var")) math.replaceWith(mathElement(math.textContent, math.title === "display"));
  for (const box of fragment.querySelectorAll("input")) taskBox(box);
  for (const part of fragment.querySelectorAll(DIRECTED)) part.dir = "auto";
  return element("div", { class: "block" }, fragment);
}
function taskBox(box) {
  const item = box.closest("li");
  item?.classList.add("task");
  box.setAttribute("aria-label", box.checked ? "Done" : "Open");
}
function wrapTable(table2) {
  const frame = element("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" });
  table2.replaceWith(frame);
  frame.append(table2);
}
function codeBlock(text, info) {
  const language = languageOf(info);
  const code = element("code", { dir: "ltr" }, text);
  const copy = iconButton("copy", "Copy code", () => copyText(code.textContent, copy));
  const toggle = () => wrap.setAttribute("aria-pressed", String(block.classList.toggle("wrapped")));
  const wrap = iconButton("wrap", "Wrap long lines", toggle, { "aria-pressed": "false" });
  const block = element(
    "div",
    { class: "block code", "data-language": language },
    element("div", { class: "code-head" }, element("span", {}, language || "text"), wrap, copy),
    element("pre", { tabindex: "0", role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, code)
  );
  return block;
}
function languageOf(info) {
  return (info ?? "").trim().split(/\s/, 1)[0].slice(0, 30);
}
function growCode(shown, token) {
  if (token.type !== "code" || shown.dataset.language !== languageOf(token.lang)) return false;
  const code = shown.querySelector("code");
  const text = code.firstChild;
  if (!text || code.dataset.highlighted || !token.text.startsWith(text.data)) return false;
  text.appendData(token.text.slice(text.data.length));
  return true;
}

// markdown-view.js
var UNSETTLED_BLOCKS = 2;
var MarkdownView = class {
  #settledText = 0;
  #settledNodes = 0;
  #scheduled = null;
  #text = "";
  #rest = 0;
  #finished = null;
  /** `element` shows the text, one child per block. */
  constructor(element2) {
    this.element = element2;
  }
  /** Show `text`, which extends the shown text, with the next frame. */
  grow(text) {
    this.#text = text.replaceAll(/\r\n?/g, "\n");
    this.#scheduled ??= requestAnimationFrame((now) => this.#frame(now));
  }
  /** Show the whole of `text` now, and settle it. */
  finish(text) {
    if (this.#finished === text) return;
    this.#finished = text;
    if (this.#scheduled !== null) cancelAnimationFrame(this.#scheduled);
    this.#scheduled = null;
    this.#text = text.replaceAll(/\r\n?/g, "\n");
    const { links } = blocks(this.#text);
    if (Object.keys(links).length) this.#restart();
    this.#draw();
    highlight(this.element);
  }
  #restart() {
    this.element.replaceChildren();
    this.#settledText = this.#settledNodes = 0;
  }
  #frame(now) {
    if (now < this.#rest) {
      this.#scheduled = requestAnimationFrame((later) => this.#frame(later));
      return;
    }
    this.#scheduled = null;
    const began = performance.now();
    this.#draw();
    this.#rest = now + 4 * (performance.now() - began);
  }
  #draw() {
    const tokens = blocks(this.#text.slice(this.#settledText));
    const visible = tokens.filter(({ type }) => type !== "space" && type !== "def");
    visible.forEach((token, index) => this.#show(token, this.#settledNodes + index));
    while (this.element.children.length > this.#settledNodes + visible.length) this.element.lastElementChild.remove();
    this.#settle(tokens, visible);
  }
  #show(token, position) {
    const shown = this.element.children[position];
    if (shown?.markdown === token.raw || shown && growCode(shown, token)) {
      shown.markdown = token.raw;
      return;
    }
    const made = renderBlock(token);
    made.markdown = token.raw;
    if (shown) shown.replaceWith(made);
    else this.element.append(made);
  }
  #settle(tokens, visible) {
    const unsettled = new Set(visible.slice(-UNSETTLED_BLOCKS));
    for (const token of tokens) {
      if (unsettled.has(token)) break;
      this.#settledText += token.raw.length;
      if (visible.includes(token)) this.#settledNodes += 1;
    }
  }
};

// operator.js
var LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;
function isOperator() {
  return accessKey() !== null || LOOPBACK.test(location.hostname);
}

// problem-view.js
var TITLES = {
  key: "This chat asks for a key",
  busy: "The model is busy",
  unavailable: "The model is not available",
  refused: "The message was rejected",
  unreachable: "No connection",
  cut: "The connection dropped",
  silent: "The connection went silent",
  failed: "The reply failed",
  closed: "The reply was interrupted"
};
var EXPECTED_KINDS = ["key", "busy", "closed"];
function problemView(error, actions, leavesOut) {
  const box = element(
    "div",
    { class: EXPECTED_KINDS.includes(error.kind) ? "problem mild" : "problem", role: "group", "aria-label": "Problem" },
    element("div", { class: "problem-head" }, icon(error.kind === "key" ? "key" : "alert"), element("strong", {}, TITLES[error.kind])),
    element("p", { dir: "auto" }, error.message)
  );
  if (leavesOut) box.append(element("p", { class: "quiet" }, "Later messages are sent without it."));
  if (error.kind === "key") box.append(keyForm(actions.again));
  else box.append(retry(error, actions));
  if (error.detail && isOperator()) box.append(details(error));
  return box;
}
function details({ detail, code }) {
  return element("details", { class: "problem-details" }, element("summary", {}, "Details"), element("p", {}, detail, " ", code ? element("code", {}, code) : null));
}
function retry(error, actions) {
  const row = element("div", { class: "problem-actions" });
  const add = (label, symbol, click) => row.append(element("button", { type: "button", class: "button asks", click }, icon(symbol), label));
  const long = TOO_LONG.includes(error.code);
  if (canRetry(error)) add("Try again", "again", actions.again);
  if (actions.proceed) add("Continue", "forth", actions.proceed);
  if (long && actions.shorten) add("Leave out older messages", "again", actions.shorten);
  if (long) add("New conversation", "plus", actions.begin);
  if (error.retryAfter) row.append(countdown(error));
  return row;
}
function countdown({ retryAfter, at }) {
  const shown = element("span", { class: "countdown" });
  const tick = () => {
    const left = Math.ceil((at - Date.now()) / 1e3 + retryAfter);
    shown.textContent = left > 0 ? `likely free in ${roughly(left)}` : "";
    if (left <= 0) clearInterval(timer);
  };
  const timer = setInterval(tick, 1e3);
  tick();
  return shown;
}
function keyForm(again) {
  const wrong = accessKey() !== null;
  const input = element("input", { type: "password", id: "key", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const remember = element("input", { type: "checkbox", id: "remember", checked: keyIsRemembered() });
  const submit = (event) => {
    event.preventDefault();
    useKey(input.value.trim(), remember.checked);
    again();
  };
  return element(
    "form",
    { class: "key-form", submit },
    element("label", { for: "key" }, wrong ? "The key is wrong. Another key:" : "Key"),
    element("div", { class: "key-row" }, input, element("button", { type: "submit", class: "button primary" }, "Use key")),
    element("label", { class: "check" }, remember, "Remember it on this device")
  );
}

// thoughts-view.js
var ThoughtsView = class {
  element = element("div", { class: "asides" });
  #summary = element("summary");
  #text = element("div", { class: "thoughts-text", dir: "auto" });
  #details = element("details", { class: "thoughts" }, this.#summary, this.#text);
  #calls = [];
  /** Show what has arrived. `thinking`: more thoughts are expected. */
  update({ thoughts, thoughtSeconds, calls = [] }, thinking) {
    if (thoughts) {
      this.#summary.textContent = thinking ? "Thinking…" : thoughtText(thoughtSeconds);
      this.#details.classList.toggle("thinking", thinking);
      if (this.#text.textContent !== thoughts) this.#text.textContent = thoughts;
      if (!this.#details.isConnected) this.element.prepend(this.#details);
    }
    calls.forEach((call, index) => this.#showCall(call, index));
  }
  #showCall(call, index) {
    const shown = this.#calls[index] ??= this.#addCall();
    shown.name.textContent = call.name;
    shown.text.textContent = indented(call.arguments);
  }
  #addCall() {
    const name = element("code", { dir: "ltr" });
    const text = element("pre", { tabindex: "0", role: "region", "aria-label": "Arguments", dir: "ltr" });
    this.element.append(element("details", { class: "call" }, element("summary", {}, "Asked for the tool ", name), text));
    return { name, text };
  }
};
function thoughtText(seconds) {
  if (seconds === void 0) return "Thoughts";
  if (seconds < 1) return "Thought for a moment";
  return seconds < 90 ? `Thought for ${Math.round(seconds)} s` : `Thought for ${Math.round(seconds / 60)} min`;
}
function indented(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

// waiting-view.js
var COLD_STEPS = [
  { name: "Start", phases: ["connecting", "starting"] },
  { name: "Fetch", phases: ["fetching"] },
  { name: "Load", phases: ["loading"] },
  { name: "Read", phases: ["queued", "prefill", "waiting"] }
];
var CLOCK_AFTER_SECONDS = 3;
var WaitingView = class {
  #began;
  #state = null;
  #announced = "";
  #phase = element("span", { class: "wait-phase" });
  #detail = element("span", { class: "wait-detail" });
  #steps = COLD_STEPS.map(({ name }) => {
    const fill = element("span", { class: "fill" });
    return { fill, item: element("span", { class: "step" }, element("span", { class: "track" }, fill), element("span", { class: "step-name" }, name)) };
  });
  #bar = element("div", { class: "steps", role: "progressbar", "aria-label": "Progress" }, ...this.#steps.map(({ item }) => item));
  /** `began`: when the wait began, on performance.now()'s clock. */
  constructor(began) {
    this.#began = began;
    const dots = element("span", { class: "dots", "aria-hidden": "true" }, element("i"), element("i"), element("i"));
    this.element = element("div", { class: "wait" }, element("div", { class: "wait-line" }, dots, this.#phase, this.#detail), this.#bar);
    this.#clock();
  }
  update(state) {
    this.#state = state;
    this.element.dataset.phase = state.phase;
    this.element.classList.toggle("cold", state.cold);
    this.#phase.textContent = phaseText(state);
    this.#showDetail();
    this.#showBar(state);
    this.#speak(state);
  }
  #showDetail() {
    const seconds = Math.floor((performance.now() - this.#began) / 1e3);
    const known = this.#state ? detailText(this.#state) : "";
    this.#detail.textContent = known || (seconds >= CLOCK_AFTER_SECONDS ? `${seconds} s` : "");
  }
  #showBar(state) {
    const current = COLD_STEPS.findIndex(({ phases }) => phases.includes(state.phase));
    this.#steps.forEach(({ item, fill }, index) => {
      const done = index < current ? 1 : index === current ? state.done : 0;
      item.classList.toggle("done", index < current);
      item.classList.toggle("current", index === current);
      item.classList.toggle("unmeasured", done === null);
      fill.style.setProperty("--done", done ?? 1);
    });
    this.#bar.setAttribute("aria-valuetext", [phaseText(state), detailText(state)].filter(Boolean).join(", "));
    if (state.done === null) this.#bar.removeAttribute("aria-valuenow");
    else this.#bar.setAttribute("aria-valuenow", Math.round(state.done * 100));
  }
  /** Announce each phase once, and a long one at every quarter, so that a screen reader can finish its sentence. */
  #speak(state) {
    const quarter = state.done === null ? 0 : Math.floor(state.done * 4) * 25;
    const words = state.phase === "queued" ? `${phaseText(state)}, ${state.detail}` : phaseText(state);
    const text = quarter && quarter < 100 ? `${words}, ${quarter}%` : words;
    if (text === this.#announced || state.phase === "connecting") return;
    this.#announced = text;
    announce(text);
  }
  #clock() {
    const timer = setInterval(() => {
      if (this.element.isConnected || !this.#state) this.#showDetail();
      else clearInterval(timer);
    }, 1e3);
  }
};

// reply-view.js
var ENDINGS = {
  length: "The reply ends here because it reached its limit.",
  stopped: "Stopped.",
  cancelled: "The server ended the reply early.",
  tool_calls: "The model asked for a tool. This page has no tools.",
  content_filter: "The reply was filtered."
};
var ReplyView = class {
  #chat;
  #text = element("div", { class: "markdown" });
  #waiting = null;
  #thoughts = new ThoughtsView();
  #foot = element("div", { class: "foot" });
  constructor(chat2, message) {
    this.#chat = chat2;
    this.message = message;
    this.markdown = new MarkdownView(this.#text);
    const heading = element("h2", { class: "visually-hidden" }, "Reply");
    this.element = element("li", { class: "turn reply" }, heading, this.#thoughts.element, this.#text, this.#foot);
  }
  /** Show the current state of the message. */
  refresh() {
    const { streaming, content, leftOut } = this.message;
    this.element.classList.toggle("streaming", streaming);
    this.element.classList.toggle("left-out", Boolean(leftOut));
    this.element.setAttribute("aria-busy", streaming);
    this.#showThoughts();
    if (streaming && content) this.markdown.grow(content);
    else this.markdown.finish(content);
    this.progress();
    this.#foot.replaceChildren(...streaming ? [] : this.#ending());
  }
  /** Show the progress of the wait, until there is text. */
  progress() {
    const active = this.#chat.active;
    if (active?.message !== this.message || active.first !== null) {
      this.#waiting?.element.remove();
      this.#waiting = null;
      return;
    }
    if (!this.#waiting) {
      this.#waiting = new WaitingView(active.began);
      this.#text.after(this.#waiting.element);
    }
    this.#waiting.update(active.progress);
  }
  /** Show the text so far. */
  grow() {
    if (this.#waiting) this.progress();
    this.#showThoughts();
    this.markdown.grow(this.message.content);
  }
  #showThoughts() {
    const { active } = this.#chat;
    this.#thoughts.update(this.message, active?.message === this.message && active.thinking !== null);
  }
  #ending() {
    const { message } = this;
    const parts2 = [];
    if (message.error) {
      const actions = { again: () => this.#chat.again(message), begin: () => this.#chat.begin() };
      if (earlierMessages(this.#chat.current, message).length) actions.shorten = () => this.#chat.againShorter(message);
      if (message.content && !isRejected(message.error)) actions.proceed = () => this.#chat.continueReply(message);
      parts2.push(problemView(message.error, actions, hasRejectedQuestion(message)));
    } else if (message.finish && message.finish !== "stop") {
      const text = element("p", { class: "ending" }, ENDINGS[message.finish] ?? `The reply ended: ${message.finish}.`);
      parts2.push(element("div", { class: "ending-row" }, text, this.#continueButton()));
    } else if (!hasBegun(message)) {
      parts2.push(element("p", { class: "ending" }, "The reply is empty."));
    }
    const receipt = message.stats ? this.#receipt() : null;
    const tools = this.#tools(receipt);
    if (tools.children.length) parts2.push(tools);
    return receipt ? [...parts2, receipt] : parts2;
  }
  #continueButton() {
    const { message } = this;
    const cut = ["length", "stopped", "cancelled"].includes(message.finish) && message.content;
    const last = this.#chat.current.leaf === message.id;
    return cut && last ? element("button", { type: "button", class: "button asks", click: () => this.#chat.continueReply(message) }, "Continue") : null;
  }
  /** The server's account of the reply, which the statistics open. */
  #receipt() {
    const rows = receiptRows(this.message.stats).map(([label, value]) => element("div", {}, element("dt", {}, label), element("dd", { dir: "auto" }, value)));
    return element("dl", { class: "receipt", id: `receipt-${this.message.id}`, hidden: true }, ...rows);
  }
  #tools(receipt) {
    const { message } = this;
    const tools = element("div", { class: "tools" });
    if (message.content) {
      const copy = iconButton("copy", "Copy reply", () => copyText(message.content, copy));
      tools.append(copy);
    }
    if (!message.error) tools.append(iconButton("again", "Regenerate reply", () => this.#chat.again(message), { class: "icon-button asks" }));
    const versions2 = versionSwitch(this.#chat, message);
    if (versions2) tools.append(versions2);
    if (receipt) {
      const toggle = () => stats.setAttribute("aria-expanded", String(!(receipt.hidden = !receipt.hidden)));
      const stats = element("button", { type: "button", class: "stats", title: "Show the details", "aria-expanded": "false", "aria-controls": receipt.id, click: toggle }, statsText(message.stats));
      tools.append(stats);
    }
    return tools;
  }
};
function statsText({ firstToken, speed, tokens, cold }) {
  const parts2 = [`first token ${secondsText(firstToken)}${cold ? " with cold start" : ""}`];
  if (speed !== null) parts2.push(`${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`);
  if (tokens !== null) parts2.push(tokens === 1 ? "1 token" : `${tokens} tokens`);
  return parts2.join(" · ");
}

// thread-view.js
var FOLLOW_DISTANCE_PX = 60;
var MAX_ANNOUNCED_CHARACTERS = 600;
var ThreadView = class {
  #chat;
  #views = /* @__PURE__ */ new Map();
  #list = byId("messages");
  #scroller = byId("thread");
  #jump = byId("jump");
  #follows = true;
  #top = 0;
  // of what is visible, in pixels
  #shown = null;
  constructor(chat2) {
    this.#chat = chat2;
    chat2.addEventListener("thread", () => this.#render());
    chat2.addEventListener("progress", () => this.#activeView()?.progress());
    chat2.addEventListener("text", () => this.#activeView()?.grow());
    chat2.addEventListener("reply", ({ detail }) => this.#replied(detail));
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#jump.addEventListener("click", () => {
      this.#toEnd("smooth");
      byId("message").focus();
    });
    new ResizeObserver(() => this.#keepUp()).observe(this.#list);
    new ResizeObserver(() => this.#keepUp()).observe(this.#scroller);
  }
  #render() {
    const { current, active } = this.#chat;
    if (this.#shown !== current) this.#views.clear();
    const messages = branch(current);
    const elements = messages.map((message) => {
      const view = this.#viewOf(message);
      view.refresh();
      return view.element;
    });
    this.#place(elements);
    document.body.classList.toggle("empty", messages.length === 0);
    if (this.#shown !== current || active?.conversation === current) this.#toEnd("instant");
    this.#shown = current;
  }
  /** Make `elements` the list's children, moving as few as possible: a moved element loses the focus. */
  #place(elements) {
    elements.forEach((element2, index) => {
      const there = this.#list.children[index];
      if (there !== element2) this.#list.insertBefore(element2, there ?? null);
    });
    while (this.#list.children.length > elements.length) this.#list.lastElementChild.remove();
  }
  #viewOf(message) {
    let view = this.#views.get(message.id);
    if (!view) {
      view = message.role === "user" ? new QuestionView(this.#chat, message) : new ReplyView(this.#chat, message);
      view.element.dataset.message = message.id;
      this.#views.set(message.id, view);
    }
    view.message = message;
    return view;
  }
  #activeView() {
    const { active, current } = this.#chat;
    return active?.conversation === current ? this.#views.get(active.message.id) : null;
  }
  #replied(ended) {
    if (!ended) return announce("Sent");
    const { message, conversation } = ended;
    if (conversation === this.#chat.current) this.#render();
    if (message.error) {
      announce(canRetry(message.error) ? `${message.error.message} Try again is below the message.` : message.error.message);
      this.#views.get(message.id)?.element.querySelector("#key")?.focus();
    } else {
      announce(spoken2(message));
    }
  }
  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < FOLLOW_DISTANCE_PX) this.#follows = true;
    else if (scrollTop < this.#top) this.#follows = false;
    this.#top = scrollTop;
    this.#jump.hidden = this.#follows;
  }
  #keepUp() {
    if (this.#follows) this.#toEnd("instant");
  }
  #toEnd(behavior) {
    this.#follows = true;
    this.#jump.hidden = true;
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior });
  }
};
function spoken2({ content, finish, stats }) {
  if (finish === "stopped") return "Stopped";
  if (content.length <= MAX_ANNOUNCED_CHARACTERS) return `Reply: ${content}`;
  return `Reply complete. ${stats ? statsText(stats) : ""}`;
}

// welcome.js
var SUGGESTIONS = ["What can you do?", "Write a short poem about the sea.", "Write a Python function that adds two numbers."];
var TEXTS = {
  unknown: "",
  starting: "The model is starting. You can already write your message.",
  ready: "",
  failed: "The model is not available at the moment.",
  unreachable: "The server could not be reached. Are you online?"
};
function welcome(chat2, server2, send) {
  let waiting = null;
  const update = () => {
    const detail = server2.state === "failed" && isOperator() ? server2.detail : null;
    byId("welcome-model").textContent = modelFacts(server2).join(" · ");
    byId("welcome-state").textContent = [TEXTS[server2.state], detail].filter(Boolean).join(" ");
    if (server2.state !== "starting" || chat2.current.leaf !== null) {
      waiting?.element.remove();
      waiting = null;
      return;
    }
    if (!waiting) {
      waiting = new WaitingView(server2.began);
      byId("welcome-wait").append(waiting.element);
    }
    if (server2.progress) waiting.update(server2.progress);
  };
  byId("suggestions").append(
    ...SUGGESTIONS.map((text) => element("li", {}, element("button", { type: "button", class: "button suggestion", click: () => send(text) }, text)))
  );
  server2.addEventListener("change", update);
  chat2.addEventListener("thread", update);
}

// main.js
var chat = new Chat();
await chat.open();
var server = new ServerState(chat);
themeButton();
header(chat, server);
var sidebar = new Sidebar(chat);
new ThreadView(chat);
var composer = new Composer(chat);
welcome(chat, server, (text) => composer.submit(text));
contextGauge(chat, server);
var settings = new SettingsDialog(chat);
for (const id of ["settings", "system-chip"]) byId(id).addEventListener("click", () => settings.open());
keyboardShortcuts([
  { keys: "Enter", label: "Send the message, or queue it during a reply" },
  { keys: "Shift+Enter", label: "New line" },
  { keys: "Esc", label: "Stop the reply" },
  { keys: "↑", label: "Edit the last message, from an empty box" },
  { keys: "Mod+K", label: "Search conversations", run: () => sidebar.search() },
  { keys: "Mod+Shift+O", label: "New conversation", run: () => sidebar.begin() },
  { keys: "Mod+B", label: "Show or hide conversations", run: () => sidebar.toggle() }
]);
var messageBox = byId("message");
messageBox.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowUp" || messageBox.value) return;
  const edit = (
    /** @type {HTMLElement} */
    [...document.querySelectorAll(".question .edit-message")].at(-1)
  );
  if (!edit) return;
  event.preventDefault();
  edit.click();
});
chat.show(chat.current);
if (matchMedia("(pointer: fine)").matches) composer.focus();
document.addEventListener("visibilitychange", () => {
  if (document.hidden && chat.active) chat.save(chat.active.conversation);
});
installable();
document.body.classList.add("ready");
await server.open();
