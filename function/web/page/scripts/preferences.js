import { PLACE } from "./place.js";

// Small values that outlive the tab (localStorage), or only a reload of it (sessionStorage), where a browser allows it.

const memory = new Map();

function slot(name) {
  return `chat:${PLACE}:${name}`;
}

function read(storage, name) {
  try {
    return JSON.parse(globalThis[storage].getItem(slot(name)));
  } catch {
    return null;
  }
}

function write(storage, name, value) {
  try {
    if (value === null) globalThis[storage].removeItem(slot(name));
    else globalThis[storage].setItem(slot(name), JSON.stringify(value));
  } catch {
    // storage is full or forbidden: the value lasts as long as the page
  }
}

/** A kept value, or null. */
export function preference(name) {
  return memory.has(name) ? memory.get(name) : read("localStorage", name);
}

/** Keep a value; null forgets it. */
export function prefer(name, value) {
  memory.set(name, value);
  write("localStorage", name, value);
}

/** The access key, or null. */
export function accessKey() {
  return memory.get("key") ?? read("sessionStorage", "key") ?? read("localStorage", "key");
}

/** Whether the key outlives the tab. */
export function keyIsRemembered() {
  return read("localStorage", "key") !== null;
}

/** Use `key` from now on; null forgets it. `remember`: beyond this tab. */
export function useKey(key, remember) {
  memory.set("key", key);
  write("sessionStorage", "key", remember ? null : key);
  write("localStorage", "key", remember ? key : null);
}
