import { element } from "./dom.js";

/** The thoughts and tool calls of a reply, each folded under a line that names it. */
export class ThoughtsView {
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
    const shown = (this.#calls[index] ??= this.#addCall());
    shown.name.textContent = call.name;
    shown.text.textContent = indented(call.arguments);
  }

  #addCall() {
    const name = element("code", { dir: "ltr" });
    const text = element("pre", { tabindex: "0", role: "region", "aria-label": "Arguments", dir: "ltr" });
    this.element.append(element("details", { class: "call" }, element("summary", {}, "Asked for the tool ", name), text));
    return { name, text };
  }
}

/** Return the time of the thoughts, in words. */
function thoughtText(seconds) {
  if (seconds === undefined) return "Thoughts";
  if (seconds < 1) return "Thought for a moment";
  return seconds < 90 ? `Thought for ${Math.round(seconds)} s` : `Thought for ${Math.round(seconds / 60)} min`;
}

function indented(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json; // not complete yet
  }
}
