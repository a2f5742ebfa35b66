import { versions } from "./conversation.js";
import { element, iconButton } from "./dom.js";

/** Buttons that switch between the versions of `message`, or null when there is one only. */
export function versionSwitch(chat, message) {
  const all = versions(chat.current, message);
  if (all.length < 2) return null;
  const at = all.indexOf(message);
  const step = (by, symbol, label) =>
    iconButton(symbol, label, () => show(chat, all[at + by]), { disabled: !all[at + by] });
  return element(
    "span",
    { class: "versions", role: "group", "aria-label": "Versions" },
    step(-1, "back", "Earlier version"),
    element("span", { "aria-label": `Version ${at + 1} of ${all.length}`, role: "img" }, `${at + 1}/${all.length}`),
    step(1, "forth", "Later version"),
  );
}

function show(chat, message) {
  chat.showVersion(message);
  const button = document.querySelector(`[data-message="${message.id}"] .versions button:enabled`);
  /** @type {HTMLElement} */ (button)?.focus();
}
