// Text files that go with a message: `{name, text}` each.

export const LONG_PASTE_CHARACTERS = 4000; // a longer paste becomes a file
const MAX_FILE_BYTES = 1_000_000;
const CHARACTERS_PER_TOKEN = 4; // English text; code and other languages have fewer

/** Read text files; resolves to `{files, problems}`, a sentence for each file that cannot be read as text. */
export async function readFiles(list) {
  const files = [];
  const problems = [];
  for (const file of list) {
    const text = file.size > MAX_FILE_BYTES ? null : decode(await file.arrayBuffer());
    if (text !== null) files.push({ name: file.name, text });
    else if (file.size > MAX_FILE_BYTES) problems.push(`“${file.name}” is larger than 1 MB.`);
    else problems.push(`“${file.name}” is not a text file.`);
  }
  return { files, problems };
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
