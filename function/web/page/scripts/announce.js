import { byId } from "./dom.js";

let spoken = "";

/** Announce `text` to screen readers at their next pause. The same text twice in a row is announced once. */
export function announce(text) {
  if (text === spoken) return;
  spoken = text;
  byId("announcer").textContent = text;
}
