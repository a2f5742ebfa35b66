import { copyText } from "./clipboard.js";
import { earlierMessages, hasBegun } from "./conversation.js";
import { element, iconButton } from "./dom.js";
import { MarkdownView } from "./markdown-view.js";
import { problemView } from "./problem-view.js";
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
      if (message.content) actions.proceed = () => this.#chat.continueReply(message);
      parts.push(problemView(message.error, actions));
    } else if (message.finish && message.finish !== "stop") {
      const text = element("p", { class: "ending" }, ENDINGS[message.finish] ?? `The reply ended: ${message.finish}.`);
      parts.push(element("div", { class: "ending-row" }, text, this.#continueButton()));
    } else if (!hasBegun(message)) {
      parts.push(element("p", { class: "ending" }, "The reply is empty."));
    }
    const tools = this.#tools();
    return tools.children.length ? [...parts, tools] : parts;
  }

  #continueButton() {
    const { message } = this;
    const cut = ["length", "stopped", "cancelled"].includes(message.finish) && message.content;
    const last = this.#chat.current.leaf === message.id;
    return cut && last ? element("button", { type: "button", class: "button asks", click: () => this.#chat.continueReply(message) }, "Continue") : null;
  }

  #tools() {
    const { message } = this;
    const tools = element("div", { class: "tools" });
    if (message.content) {
      const copy = iconButton("copy", "Copy reply", () => copyText(message.content, copy));
      tools.append(copy);
    }
    if (!message.error) tools.append(iconButton("again", "Regenerate reply", () => this.#chat.again(message), { class: "icon-button asks" }));
    const versions = versionSwitch(this.#chat, message);
    if (versions) tools.append(versions);
    if (message.stats) tools.append(element("span", { class: "stats" }, statsText(message.stats)));
    return tools;
  }
}

/** Return the statistics of the reply, in words. */
export function statsText({ firstToken, speed, tokens, cold }) {
  const parts = [`first token ${duration(firstToken)}${cold ? " with cold start" : ""}`];
  if (speed !== null) parts.push(`${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s`);
  if (tokens !== null) parts.push(tokens === 1 ? "1 token" : `${tokens} tokens`);
  return parts.join(" · ");
}

function duration(seconds) {
  return seconds < 10 ? `${seconds.toFixed(2)} s` : `${seconds.toFixed(1)} s`;
}
