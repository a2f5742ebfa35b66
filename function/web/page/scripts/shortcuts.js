import { showDialog } from "./dialogs.js";
import { byId, element } from "./dom.js";

const APPLE = /Mac|iPhone|iPad/.test(navigator.userAgent);
const COMMAND = APPLE ? "⌘" : "Ctrl";

/**
 * Listen to the shortcuts and show them on a sheet. `shortcuts`: `{keys, label, run}` each; without `run` the key is handled
 * elsewhere and only shown. In `keys`, `Mod` is the platform's command key.
 */
export function keyboardShortcuts(shortcuts) {
  const help = { keys: "Mod+/", label: "Show these shortcuts", run: () => showSheet([...shortcuts, help]) };
  document.addEventListener("keydown", (event) => {
    const found = [...shortcuts, help].find(({ keys, run }) => run && matches(event, keys));
    if (!found || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    found.run();
  });
  byId("shortcuts").addEventListener("click", help.run);
}

function matches(event, keys) {
  const parts = keys.split("+");
  const key = parts.pop();
  const command = event.ctrlKey || event.metaKey;
  if (command !== parts.includes("Mod") || event.altKey) return false;
  return event.key.toLowerCase() === key.toLowerCase() && (key === "/" || event.shiftKey === parts.includes("Shift"));
}

function showSheet(shortcuts) {
  const rows = shortcuts.map(({ keys, label }) => {
    const caps = keys.split("+").map((key) => element("kbd", {}, key === "Mod" ? COMMAND : key));
    return element("div", {}, element("dt", {}, label), element("dd", {}, ...caps));
  });
  const close = element("button", { type: "submit", class: "button primary" }, "Close");
  const form = element("form", { method: "dialog" }, element("h2", {}, "Keyboard shortcuts"), element("dl", { class: "shortcuts" }, ...rows), element("div", { class: "dialog-actions" }, close));
  const dialog = element("dialog", { class: "dialog small", "aria-label": "Keyboard shortcuts" }, form);
  dialog.addEventListener("close", () => dialog.remove());
  showDialog(dialog);
}
