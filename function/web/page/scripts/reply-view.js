import { copyText } from "./clipboard.js";
import { earlierMessages, hasBegun, hasRejectedQuestion } from "./conversation.js";
import { element, iconButton } from "./dom.js";
import { isRejected } from "./error-text.js";
import { MarkdownView } from "./markdown-view.js";
import { problemView } from "./problem-view.js";
import { receiptRows, secondsText } from "./receipt.js";
import { ThoughtsView } from "./thoughts-view.js";
import { versionSwitch } from "./versions-view.js";
import { WaitingView } from "./waiting-view.js";

const ENDINGS = {
  length: "The reply ends here because it reached its limit.",
  stopped: "Stopped.",
  cancelled: "The server ended the reply early.",
  tool_calls: "The model asked for a tool. This page has no tools.",
  content_filter: "The reply was filtered.",
};

/** Reply of the model. */
export class ReplyView {
  #chat;
  #text = element("div", { class: "markdown" });
  #waiting = null;
  #thoughts = new ThoughtsView();
  #foot = element("div", { class: "foot" });

  constructor(chat, message) {
    this.#chat = chat;
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
    this.#foot.replaceChildren(...(streaming ? [] : this.#ending()));
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
    const parts = [];
    if (message.error) {
      const actions = { again: () => this.#chat.again(message), begin: () => this.#chat.begin() };
      if (earlierMessages(this.#chat.current, message).length) actions.shorten = () => this.#chat.againShorter(message);
      if (message.content && !isRejected(message.error)) actions.proceed = () => this.#chat.continueReply(message);
      parts.push(problemView(message.error, actions, hasRejectedQuestion(message)));
    } else if (message.finish && message.finish !== "stop") {
      const text = element("p", { class: "ending" }, ENDINGS[message.finish] ?? `The reply ended: ${message.finish}.`);
      parts.push(element("div", { class: "ending-row" }, text, this.#continueButton()));
    } else if (!hasBegun(message)) {
      parts.push(element("p", { class: "ending" }, "The reply is empty."));
    }
    const receipt = message.stats ? this.#receipt() : null;
    const tools = this.#tools(receipt);
    if (tools.children.length) parts.push(tools);
    return receipt ? [...parts, receipt] : parts;
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
    const versions = versionSwitch(this.#chat, message);
    if (versions) tools.append(versions);
    if (receipt) {
      const toggle = () => stats.setAttribute("aria-expanded", String(!(receipt.hidden = !receipt.hidden)));
      const stats = element("button", { type: "button", class: "stats", title: "Show the details", "aria-expanded": "false", "aria-controls": receipt.id, click: toggle }, statsText(message.stats));
      tools.append(stats);
    }
    return tools;
  }
}

/** Return the statistics of the reply, in words. */
export function statsText({ firstToken, speed, tokens, cold }) {
  const parts = [`first token ${secondsText(firstToken)}${cold ? " with cold start" : ""}`];
  if (speed !== null) parts.push(`${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`);
  if (tokens !== null) parts.push(tokens === 1 ? "1 token" : `${tokens} tokens`);
  return parts.join(" · ");
}
