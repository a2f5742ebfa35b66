import { showDialog } from "./dialogs.js";
import { byId, element } from "./dom.js";
import { accessKey, keyIsRemembered, useKey } from "./preferences.js";
import { SAMPLING } from "./sampling.js";

/** Dialog with the system prompt, the sampling settings and the key. */
export class SettingsDialog {
  #chat;
  #dialog = byId("settings-dialog");
  #system = byId("system");
  #key = byId("settings-key");
  #remember = byId("settings-remember");
  #fields = new Map();

  constructor(chat) {
    this.#chat = chat;
    byId("sampling").append(...SAMPLING.map((item) => this.#field(item)));
    byId("settings-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#keep();
      this.#dialog.close();
    });
    byId("settings-cancel").addEventListener("click", () => this.#dialog.close());
    byId("settings-reset").addEventListener("click", () => this.#fill({}));
  }

  open() {
    this.#fill(this.#chat.current.settings);
    this.#key.value = accessKey() ?? "";
    this.#remember.checked = keyIsRemembered();
    const before = this.#values();
    showDialog(this.#dialog, () => this.#values() !== before);
  }

  #field({ name, label, usual, hint, ...limits }) {
    const id = `setting-${name}`;
    const input = element("input", { id, type: "number", inputmode: "decimal", placeholder: usual, "aria-describedby": `${id}-hint`, ...limits });
    input.step = "any"; // the arrows step by `limits.step`; any value between is valid
    if (limits.step >= 1) input.step = String(limits.step);
    this.#fields.set(name, input);
    return element("div", { class: "field" }, element("label", { for: id }, label), input, element("span", { class: "hint", id: `${id}-hint` }, hint));
  }

  #fill(settings) {
    this.#system.value = settings.system ?? "";
    for (const [name, input] of this.#fields) input.value = settings[name] ?? "";
  }

  /** Everything that is entered, as one comparable text. */
  #values() {
    const numbers = [...this.#fields.values()].map(({ value }) => value);
    return JSON.stringify([this.#system.value, this.#key.value, this.#remember.checked, ...numbers]);
  }

  #keep() {
    const settings = { system: this.#system.value.trim() };
    for (const [name, input] of this.#fields) {
      if (input.value !== "") settings[name] = input.valueAsNumber;
    }
    this.#chat.configure(settings);
    const key = this.#key.value.trim();
    useKey(key || null, this.#remember.checked);
  }
}
