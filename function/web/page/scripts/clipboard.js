import { announce } from "./announce.js";
import { element } from "./dom.js";

const COPIED_MS = 1500; // time for which a button shows "copied"

/** Copy `text` and show success on `button`. */
export async function copyText(text, button) {
  const copied = await write(text);
  announce(copied ? "Copied" : "The browser did not allow copying");
  if (!copied) return;
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), COPIED_MS);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeWithoutPermission(text);
  }
}

/** Pages without TLS have no clipboard object, but they may copy the selection. */
function writeWithoutPermission(text) {
  const focused = /** @type {HTMLElement} */ (document.activeElement);
  const area = element("textarea", { class: "visually-hidden", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return copied;
}
