import { element, iconButton } from "./dom.js";
import { copyText } from "./clipboard.js";
import { MATH_EXTENSIONS, mathElement } from "./math.js";

// A model's text is untrusted: its HTML is shown as text, its images are links, and the output of marked goes through
// DOMPurify. The page's Content-Security-Policy is the second line of defence.

const { marked, DOMPurify } = /** @type {any} */ (globalThis);
const HARMLESS = /^<\/?(?:br|sub|sup|kbd|mark|[biu])\s*\/?>$/i;
const SCHEMES = ["http:", "https:", "mailto:"];
// Each has the direction of its own text. Elements with a direction do not count for the one around them, so items have none.
const DIRECTED = "h3, h4, h5, h6, ul, ol, blockquote, th, td, p:not(li p, blockquote p)";
const PURIFY = {
  ALLOWED_TAGS: [
    ..."p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code a strong em del b i u sub sup kbd mark".split(" "),
    ..."table thead tbody tr th td input var".split(" "),
  ],
  ALLOWED_ATTR: ["href", "start", "align", "title", "type", "checked", "disabled"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
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
  return `<var title="${display ? "display" : "inline"}">${escape(tex)}</var>`; // no other Markdown becomes a var
}

marked.use({
  extensions: MATH_EXTENSIONS.map((extension) => ({ ...extension, renderer: mathMarkup })),
  gfm: true,
  breaks: true,
  renderer: {
    html,
    code: ({ text, lang }) => `<pre title="${escape(lang ?? "")}">${escape(text)}</pre>`,
    image: ({ href, text }) => `<a href="${escape(href)}">${escape(text || href)} (image)</a>`,
    checkbox: ({ checked }) => `<input type="checkbox"${checked ? " checked" : ""} disabled>`,
    heading({ tokens, depth }) {
      const level = Math.min(6, depth + 2); // the page's own headings come first
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
  },
});

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.localName === "input") {
    node.setAttribute("type", "checkbox"); // a task of a list, and nothing that takes input
    node.setAttribute("disabled", "");
  }
  if (node.localName !== "a") return;
  const href = node.getAttribute("href") ?? "";
  if (!isLink(href)) return node.removeAttribute("href");
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer nofollow");
  node.setAttribute("title", href);
});

/** Return the blocks of `text`, marked's tokens; `raw` is each one's part of the text. */
export function blocks(text) {
  return marked.lexer(text);
}

/** Return the element of one block. */
export function renderBlock(token) {
  if (token.type === "code") return codeBlock(token.text, token.lang);
  const fragment = DOMPurify.sanitize(marked.parser([token]), PURIFY);
  for (const table of fragment.querySelectorAll("table")) wrapTable(table);
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

function wrapTable(table) {
  const frame = element("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" });
  table.replaceWith(frame);
  frame.append(table);
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
    element("pre", { tabindex: "0", role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, code),
  );
  return block;
}

function languageOf(info) {
  return (info ?? "").trim().split(/\s/, 1)[0].slice(0, 30);
}

/** Extend `shown`, a code block's element, to the text of `token`; return false if it does not begin that text. */
export function growCode(shown, token) {
  if (token.type !== "code" || shown.dataset.language !== languageOf(token.lang)) return false;
  const code = shown.querySelector("code");
  const text = code.firstChild;
  if (!text || code.dataset.highlighted || !token.text.startsWith(text.data)) return false;
  text.appendData(token.text.slice(text.data.length));
  return true;
}
