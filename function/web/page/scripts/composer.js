import { byId } from "./dom.js";
import { sends } from "./keys.js";

/** The composer: sends a message, or stops the reply in progress. */
export class Composer {
  #chat;
  #text = byId("message");
  #send = byId("send");
  #stop = byId("stop");
  #elsewhere = byId("elsewhere");

  constructor(chat) {
    this.#chat = chat;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#update());
    this.#text.addEventListener("keydown", (event) => {
      if (!sends(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#stop.addEventListener("click", () => chat.stop());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) chat.stop();
    });
    chat.addEventListener("reply", ({ detail }) => this.#turned(detail));
    chat.addEventListener("thread", () => this.#update());
    this.#update();
  }

  focus() {
    this.#text.focus();
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!text || this.#chat.active) return;
    this.#text.value = "";
    this.#chat.send(text);
    this.#update();
  }

  #turned(ended) {
    const stopping = document.activeElement === this.#stop;
    this.#update();
    if (ended && stopping) this.focus(); // the button that had the focus is gone
    else if (!ended && document.activeElement === document.body) this.#stop.focus();
  }

  #update() {
    const { active, current } = this.#chat;
    this.#stop.hidden = !active;
    this.#send.hidden = Boolean(active);
    this.#send.disabled = !this.#text.value.trim();
    const elsewhere = active && active.conversation !== current;
    this.#elsewhere.textContent = elsewhere ? `A reply is coming in “${active.conversation.title}”.` : "";
    document.body.classList.toggle("replying", Boolean(active));
    this.#fit();
  }

  /** Fit the height to the text, up to the limit of the style. */
  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}
