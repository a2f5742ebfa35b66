import { PdfError } from "./pdf/objects.js";
import { pdfText } from "./pdf/text.js";

// Files that go with a message: `{name, text}` each. The text of a PDF file is read here, in the browser.

export const LONG_PASTE_CHARACTERS = 4000; // a longer paste becomes a file
const MAX_TEXT_BYTES = 1_000_000;
const MAX_PDF_BYTES = 50_000_000;
const CHARACTERS_PER_TOKEN = 4; // English text; code and other languages have fewer

/**
 * Read text files and PDF files; resolves to `{files, notes}`: a sentence for each file that cannot be read, or not as a whole.
 */
export async function readFiles(list) {
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

/** The message as the model reads it: each file in a fence of its own, then the text. */
export function withFiles(text, files = []) {
  const fenced = files.map((file) => {
    const longest = Math.max(2, ...(file.text.match(/`+/g) ?? []).map((run) => run.length));
    const fence = "`".repeat(longest + 1);
    return `File: ${file.name.replaceAll(/\s+/g, " ")}\n${fence}\n${file.text.trimEnd()}\n${fence}`;
  });
  return [...fenced, text].filter(Boolean).join("\n\n");
}

/** About how many tokens `text` has, in words. */
export function tokensText(text) {
  const tokens = Math.ceil(text.length / CHARACTERS_PER_TOKEN);
  return `about ${tokens.toLocaleString("en")} ${tokens === 1 ? "token" : "tokens"}`;
}
