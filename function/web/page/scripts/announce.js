import { byId } from "./dom.js";

let spoken = "";

/** Have a screen reader say `text` when it next pauses. The same text twice in a row is said once. */
export function announce(text) {
  if (text === spoken) return;
  spoken = text;
  byId("announcer").textContent = text;
}
