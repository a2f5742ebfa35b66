import { PLACE } from "./place.js";

// Small values that outlive the tab (localStorage) or a reload (sessionStorage), where the browser allows it.

const memory = new Map();

function slot(name) {
  return `chat:${PLACE}:${name}`;
}

/** Call `listener` when another tab saves or deletes the value. */
export function onForeignPreference(name, listener) {
  globalThis.addEventListener("storage", ({ key }) => {
    if (key !== slot(name)) return;
    memory.delete(name);
    listener();
  });
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

/** Return a saved value, or null. */
export function preference(name) {
  return memory.has(name) ? memory.get(name) : read("localStorage", name);
}

/** Save a value; null deletes it. */
export function prefer(name, value) {
  memory.set(name, value);
  write("localStorage", name, value);
}

/** Return the access key, or null. */
export function accessKey() {
  return memory.get("key") ?? read("sessionStorage", "key") ?? read("localStorage", "key");
}

/** Return true if the key outlives the tab. */
export function keyIsRemembered() {
  return read("localStorage", "key") !== null;
}

/** Use `key` from now on; null deletes it. With `remember` it outlives the tab. */
export function useKey(key, remember) {
  memory.set("key", key);
  write("sessionStorage", "key", remember ? null : key);
  write("localStorage", "key", remember ? key : null);
}
