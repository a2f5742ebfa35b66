import { highlight } from "./highlight.js";
import { blocks, growCode, renderBlock } from "./markdown.js";

const UNSETTLED_BLOCKS = 2; // the last blocks of a growing text can still change their kind

/**
 * View of growing Markdown. Blocks before the last ones are settled: they are not parsed or drawn again, so the work
 * for a long reply grows with its length and not with its square.
 */
export class MarkdownView {
  #settledText = 0;
  #settledNodes = 0;
  #scheduled = null;
  #text = "";
  #rest = 0;
  #finished = null;

  /** `element` shows the text, one child per block. */
  constructor(element) {
    this.element = element;
  }

  /** Show `text`, which extends the shown text, with the next frame. */
  grow(text) {
    this.#text = text.replaceAll(/\r\n?/g, "\n"); // the lexer counts lines this way
    this.#scheduled ??= requestAnimationFrame((now) => this.#frame(now));
  }

  /** Show the whole of `text` now, and settle it. */
  finish(text) {
    if (this.#finished === text) return;
    this.#finished = text;
    if (this.#scheduled !== null) cancelAnimationFrame(this.#scheduled);
    this.#scheduled = null;
    this.#text = text.replaceAll(/\r\n?/g, "\n"); // the lexer counts lines this way
    const { links } = blocks(this.#text);
    if (Object.keys(links).length) this.#restart(); // earlier blocks may have used links defined later
    this.#draw();
    highlight(this.element);
  }

  #restart() {
    this.element.replaceChildren();
    this.#settledText = this.#settledNodes = 0;
  }

  #frame(now) {
    // Drawing takes at most a fifth of the time, for any reply on any device.
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
    if (shown?.markdown === token.raw || (shown && growCode(shown, token))) {
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
}
