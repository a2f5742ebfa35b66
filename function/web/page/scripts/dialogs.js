import { byId, element } from "./dom.js";

/** Ask for a line of text; resolves to it, or to null. */
export function askText(title, value, action) {
  const input = element("input", { type: "text", id: "dialog-text", maxlength: "200", autocomplete: "off", dir: "auto" });
  input.value = value;
  const label = element("label", { for: "dialog-text", class: "visually-hidden" }, title);
  return ask(title, action, "primary", [label, input], () => input.value.trim() || null, () => input.value !== value);
}

/** Ask whether to do something that cannot be undone; resolves to true or null. */
export function askConsent(title, text, action, refusal = "Cancel") {
  return ask(title, action, "danger", [element("p", {}, text)], () => true, () => false, refusal);
}

function ask(title, action, style, content, answer, isChanged, refusal = "Cancel") {
  return new Promise((resolve) => {
    let answered = null;
    const cancel = element("button", { type: "button", class: "button", click: () => dialog.close() }, refusal);
    const submit = (event) => {
      event.preventDefault();
      answered = answer();
      dialog.close();
    };
    const buttons = element("div", { class: "dialog-actions" }, cancel, element("button", { type: "submit", class: `button ${style}` }, action));
    const form = element("form", { submit }, element("h2", {}, title), ...content, buttons);
    const dialog = element("dialog", { class: "dialog small", "aria-label": title }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answered);
    });
    showDialog(dialog, isChanged);
    if (style === "danger") cancel.focus(); // Enter alone must not destroy anything
    else form.querySelector("input")?.select();
  });
}

/**
 * Open `dialog`. Escape and a click beside it close it, after a question if `isChanged()`; then the focus returns to where it was.
 */
export function showDialog(dialog, isChanged = () => false) {
  const before = /** @type {HTMLElement} */ (document.activeElement);
  if (!dialog.isConnected) byId("app").append(dialog);
  const leave = async () => {
    if (isChanged() && !(await askConsent("Discard your changes?", "They are not saved yet.", "Discard", "Keep editing"))) return;
    dialog.close();
  };
  const cancel = (event) => {
    event.preventDefault();
    leave();
  };
  const beside = (event) => event.target === dialog && leave();
  dialog.addEventListener("cancel", cancel);
  dialog.addEventListener("pointerdown", beside);
  const closed = () => {
    dialog.removeEventListener("cancel", cancel);
    dialog.removeEventListener("pointerdown", beside);
    if (before?.isConnected) before.focus();
  };
  dialog.addEventListener("close", closed, { once: true });
  dialog.showModal();
}
