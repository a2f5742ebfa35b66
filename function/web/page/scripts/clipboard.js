import { announce } from "./announce.js";
import { element } from "./dom.js";

const SHOWN = 1500; // ms that a button says "copied"

/** Copy `text` and let `button` show that it is done. */
export async function copyText(text, button) {
  const copied = await write(text);
  announce(copied ? "Copied" : "The browser did not allow copying");
  if (!copied) return;
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), SHOWN);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeWithoutPermission(text);
  }
}

/** Pages that were not loaded over TLS have no clipboard object, but they may copy what is selected. */
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
