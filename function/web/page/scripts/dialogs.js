import { byId, element } from "./dom.js";

/** Ask for a line of text; resolves to it, or to null. */
export function askText(title, value, action) {
  const input = element("input", { type: "text", id: "dialog-text", maxlength: "200", autocomplete: "off" });
  input.value = value;
  const label = element("label", { for: "dialog-text", class: "visually-hidden" }, title);
  return ask(title, action, "primary", [label, input], () => input.value.trim() || null);
}

/** Ask for consent to an action that cannot be undone; resolves to true or null. */
export function askConsent(title, text, action) {
  return ask(title, action, "danger", [element("p", {}, text)], () => true);
}

function ask(title, action, style, content, answer) {
  return new Promise((resolve) => {
    let answered = null;
    const cancel = element("button", { type: "button", class: "button", click: () => dialog.close() }, "Cancel");
    const submit = (event) => {
      event.preventDefault();
      answered = answer();
      dialog.close();
    };
    const buttons = element("div", { class: "dialog-actions" }, cancel, element("button", { type: "submit", class: `button ${style}` }, action));
    const form = element("form", { submit }, element("h2", { id: "dialog-title" }, title), ...content, buttons);
    const dialog = element("dialog", { class: "dialog small", "aria-labelledby": "dialog-title" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answered);
    });
    show(dialog);
    if (style === "danger") cancel.focus(); // Enter alone must not delete anything
    else form.querySelector("input")?.select();
  });
}

/** Open `dialog`; a click outside closes it, and the focus returns to the earlier element. */
export function show(dialog) {
  const before = /** @type {HTMLElement} */ (document.activeElement);
  if (!dialog.isConnected) byId("app").append(dialog);
  dialog.addEventListener("pointerdown", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => before?.isConnected && before.focus(), { once: true });
  dialog.showModal();
}
