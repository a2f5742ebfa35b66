import { copyText } from "./clipboard.js";
import { element, iconButton } from "./dom.js";
import { sends } from "./keys.js";
import { versionSwitch } from "./versions-view.js";

/** Message of the user; editing it sends a new version. */
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
    const edit = iconButton("edit", "Edit message", () => this.#edit(), { class: "icon-button asks" });
    const tools = element("div", { class: "tools" }, copy, edit, versionSwitch(this.#chat, message));
    this.#body.replaceChildren(element("div", { class: "bubble" }, message.content), tools);
    return edit;
  }

  #edit() {
    if (this.#chat.active) return;
    this.#editing = true;
    this.element.classList.add("editing");
    const area = element("textarea", { class: "edit", "aria-label": "Edit message", rows: "1" });
    area.value = this.message.content;
    const cancel = () => this.#show().focus();
    const submit = () => {
      const text = area.value.trim();
      if (!text || this.#chat.active) return;
      this.#show();
      this.#chat.send(text, this.message.parent);
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
