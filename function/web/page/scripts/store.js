import { settle } from "./conversation.js";
import { PLACE } from "./place.js";

// The conversations, one record each, so that two tabs do not overwrite each other's.

const TABLE = "conversations";
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(`chat:${PLACE}`) : null;
let database = null;

/** Open the browser's database; false when it has none for us, and conversations end with the page. */
export async function openStore() {
  try {
    const request = indexedDB.open(`chat:${PLACE}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
    database = await settled(request);
    return true;
  } catch {
    return false;
  }
}

function settled(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

function table(mode) {
  return database.transaction(TABLE, mode).objectStore(TABLE);
}

/** Every conversation, in no order. */
export async function loadConversations() {
  if (!database) return [];
  return (await settled(table("readonly").getAll())).map(settle);
}

/** One conversation, or undefined. */
export async function loadConversation(id) {
  const found = database ? await settled(table("readonly").get(id)) : undefined;
  return found && settle(found);
}

/** Write a conversation and tell the other tabs; false when the browser has no room for it. */
export async function saveConversation(conversation) {
  if (!database) return true;
  try {
    await settled(table("readwrite").put(conversation));
  } catch {
    return false;
  }
  channel?.postMessage(conversation.id);
  return true;
}

/** Forget a conversation. */
export async function deleteConversation(id) {
  if (database) await settled(table("readwrite").delete(id));
  channel?.postMessage(id);
}

/** Call `listener` with the id of each conversation that another tab writes or deletes. */
export function onForeignChange(listener) {
  channel?.addEventListener("message", ({ data }) => listener(data));
}
