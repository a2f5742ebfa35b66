import { element } from "./dom.js";

const { temml } = /** @type {any} */ (globalThis);
const MAX_CHARACTERS = 5000; // of one formula; a longer one is shown as it is written
const OPTIONS = { throwOnError: true, trust: false, maxExpand: 200, maxSize: [20, 200] };

const BLOCK = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
const INLINE = /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\)|\$(?![\s$])((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\w))/;

function extension(name, level, opening, pattern) {
  return {
    name,
    level,
    start: (text) => text.match(opening)?.index,
    tokenizer(text) {
      const found = pattern.exec(text);
      if (!found) return undefined;
      const [raw, dollars, brackets, parentheses, dollar] = found;
      const inline = parentheses ?? dollar;
      return { type: name, raw, tex: (dollars ?? brackets ?? inline).trim(), display: inline === undefined };
    },
  };
}

/** LaTeX in Markdown, as marked's extensions: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`. Their tokens have `tex` and `display`. */
export const MATH_EXTENSIONS = [
  extension("mathBlock", "block", /\n(?:\$\$|\\\[)/, BLOCK), // a paragraph ends where a line begins with a formula
  extension("math", "inline", /\$|\\[([]/, INLINE),
];

/** The element that shows a formula, as MathML; what is no LaTeX is shown as it is written. */
export function mathElement(tex, display) {
  const shown = element("span", { class: display ? "math display" : "math", dir: "ltr" });
  if (tex.length > MAX_CHARACTERS) return plain(tex, display);
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
