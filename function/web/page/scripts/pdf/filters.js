import { asLatin, PdfError } from "./objects.js";

// Filters of streams. Each takes bytes and returns bytes, at most `budget.bytes` of them in all.

const FEED_BYTES = 4096; // a piece of deflated data can become a thousand times as long
const MAX_LZW_CODES = 4096;

/** Return `bytes` inflated; of damaged data, what comes before the damage. */
export async function inflate(bytes, budget) {
  const found = await inflated(bytes, "deflate", budget);
  return found.length ? found : inflated(bytes.subarray(2), "deflate-raw", budget);
}

async function inflated(bytes, format, budget) {
  const { readable, writable } = new DecompressionStream(format);
  feed(writable.getWriter(), bytes);
  const reader = readable.getReader();
  const pieces = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      spend(budget, value.length);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
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
    // the reader sees it
  }
}

/** Return the pieces as one array. */
export function joined(pieces) {
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

/** Return the bytes that LZW codes of 9 to 12 bits stand for. `early`: codes grow one entry sooner. */
export function lzw(bytes, early, budget) {
  const pieces = [];
  let table = [];
  let width = 9;
  let last = null;
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    if (bits < width) continue;
    bits -= width;
    const code = held >>> bits;
    held &= (1 << bits) - 1;
    if (code === 257) break;
    if (code === 256) {
      table = [];
      width = 9;
      last = null;
      continue;
    }
    let piece = code < 256 ? Uint8Array.of(code) : table[code - 258];
    if (!piece) {
      if (!last || code - 258 !== table.length) break; // damaged
      piece = joined([last, last.subarray(0, 1)]);
    }
    spend(budget, piece.length);
    pieces.push(piece);
    if (last && table.length + 258 < MAX_LZW_CODES) {
      spend(budget, last.length + 1);
      table.push(joined([last, piece.subarray(0, 1)]));
    }
    last = piece;
    const next = table.length + 258 + early;
    width = next >= 2048 ? 12 : next >= 1024 ? 11 : next >= 512 ? 10 : 9;
  }
  return joined(pieces);
}

/** Return the bytes that hexadecimal digits stand for. */
export function asciiHex(bytes) {
  const digits = asLatin(bytes).split(">", 1)[0].replaceAll(/[^0-9a-f]/gi, "");
  return Uint8Array.from({ length: Math.ceil(digits.length / 2) }, (_, index) => Number.parseInt(digits.slice(2 * index, 2 * index + 2).padEnd(2, "0"), 16));
}

/** Return the bytes that base-85 digits stand for. */
export function ascii85(bytes) {
  const found = [];
  let group = [];
  const flush = (count) => {
    const value = [0, 1, 2, 3, 4].reduce((sum, index) => sum * 85 + (group[index] ?? 84), 0);
    for (let index = 0; index < count; index += 1) found.push(Math.floor(value / 256 ** (3 - index)) % 256);
    group = [];
  };
  for (const byte of bytes) {
    if (byte === 0x7e) break;
    if (byte === 0x7a && !group.length) found.push(0, 0, 0, 0);
    else if (byte >= 0x21 && byte <= 0x75 && group.push(byte - 0x21) === 5) flush(4);
  }
  if (group.length > 1) flush(group.length - 1);
  return Uint8Array.from(found);
}

/** Return the bytes that runs stand for. */
export function runLength(bytes, budget) {
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

/** Undo the PNG predictors of rows of `columns` bytes, of which `pixel` make a pixel. */
export function unpredict(bytes, columns, pixel) {
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
  if (kind === 3) return (left + above) >> 1;
  if (kind !== 4) return 0;
  const guess = left + above - corner;
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}
