// Colours for code. The highlighter returns HTML, of which DOMPurify lets spans with a class through.

const { hljs, DOMPurify } = /** @type {any} */ (globalThis);
const MAX_CHARACTERS = 50_000; // of one block: more takes longer than a frame
const PURIFY = { ALLOWED_TAGS: ["span"], ALLOWED_ATTR: ["class"], ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false, RETURN_DOM_FRAGMENT: true };

/** Colour the blocks of code in `root` that are complete and in a known language. */
export function highlight(root) {
  for (const block of root.querySelectorAll(".code")) {
    const code = block.querySelector("code");
    const { language } = block.dataset;
    if (code.dataset.highlighted || !language || !hljs.getLanguage(language) || code.textContent.length > MAX_CHARACTERS) continue;
    const { value } = hljs.highlight(code.textContent, { language, ignoreIllegals: true });
    code.replaceChildren(DOMPurify.sanitize(value, PURIFY));
    code.dataset.highlighted = "true";
  }
}
