import { tokensText } from "./attachments.js";
import { copyText } from "./clipboard.js";
import { element, icon, iconButton } from "./dom.js";
import { sends } from "./keys.js";
import { versionSwitch } from "./versions-view.js";

const FOLDED_CHARACTERS = 1500;
const FOLDED_LINES = 16;

/** One message of the user's; it can be edited, which sends a new version of it. */
export class QuestionView {
  #chat;
  #body = element("div", { class: "question-body" });
  #editing = false;

  constructor(chat, message) {
    this.#chat = chat;
    this.message = message;
    const heading = element("h2", { class: "visually-hidden" }, "You");
    this.element = element("li", { class: "turn question" }, heading, this.#body);
  }

  refresh() {
    if (!this.#editing) this.#show();
  }

  #show() {
    const { message } = this;
    this.#editing = false;
    this.element.classList.remove("editing");
    const copy = iconButton("copy", "Copy message", () => copyText(message.content, copy));
    const edit = iconButton("edit", "Edit message", () => this.#edit(), { class: "icon-button asks edit-message" });
    const tools = element("div", { class: "tools" }, copy, edit, versionSwitch(this.#chat, message));
    const files = (message.files ?? []).map(({ name, text }) => {
      const summary = element("summary", {}, icon("file"), element("span", { dir: "auto" }, name), element("small", {}, tokensText(text)));
      return element("details", { class: "file" }, summary, element("pre", { tabindex: "0", role: "region", "aria-label": name, dir: "auto" }, text));
    });
    const reveal = () => this.element.classList.toggle("revealed"); // its buttons, on a touch screen
    const bubble = message.content ? element("div", { class: "bubble", dir: "auto", click: reveal }, message.content) : null;
    this.element.classList.toggle("left-out", Boolean(message.leftOut));
    this.#body.replaceChildren(...files, ...(bubble ? [bubble, ...this.#fold(bubble)] : []), tools);
    return edit;
  }

  /** Fold a long message; returns the button that shows all of it. */
  #fold(bubble) {
    const { content } = this.message;
    if (content.length < FOLDED_CHARACTERS && content.split("\n").length < FOLDED_LINES) return [];
    const toggle = () => {
      const folded = bubble.classList.toggle("folded");
      button.textContent = folded ? "Show all" : "Show less";
      button.setAttribute("aria-expanded", String(!folded));
    };
    const button = element("button", { type: "button", class: "button plain fold", click: toggle });
    toggle();
    return [button];
  }

  #edit() {
    if (this.#chat.isBusy) return;
    this.#editing = true;
    this.element.classList.add("editing");
    const area = element("textarea", { class: "edit", dir: "auto", "aria-label": "Edit message", rows: "1" });
    area.value = this.message.content;
    const cancel = () => this.#show().focus();
    const submit = () => {
      const text = area.value.trim();
      const { parent, files } = this.message;
      if (!(text || files) || this.#chat.isBusy) return;
      this.#show();
      this.#chat.send(text, { parent, files });
    };
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        cancel();
      } else if (sends(event)) {
        event.preventDefault();
        submit();
      }
    });
    const buttons = element(
      "div",
      { class: "edit-actions" },
      element("button", { type: "button", class: "button", click: cancel }, "Cancel"),
      element("button", { type: "button", class: "button primary asks", click: submit }, "Send"),
    );
    this.#body.replaceChildren(area, buttons);
    area.focus();
  }
}
