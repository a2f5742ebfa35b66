import { settle } from "./conversation.js";
import { PLACE } from "./place.js";

// Conversations, one record each, so that two tabs do not overwrite each other's.

const TABLE = "conversations";
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(`chat:${PLACE}`) : null;
let database = null;

/** Open the browser's database; false if there is none: conversations then end with the page. */
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

/** Return all conversations, in no order. */
export async function loadConversations() {
  if (!database) return [];
  return (await settled(table("readonly").getAll())).map(settle);
}

/** Return one conversation, or undefined. */
export async function loadConversation(id) {
  const found = database ? await settled(table("readonly").get(id)) : undefined;
  return found && settle(found);
}

/** Write a conversation and notify the other tabs; false if the browser has no room for it. */
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

/** Delete a conversation. */
export async function deleteConversation(id) {
  if (database) await settled(table("readwrite").delete(id));
  channel?.postMessage(id);
}

/** Call `listener` with the id of each conversation that another tab writes or deletes. */
export function onForeignChange(listener) {
  channel?.addEventListener("message", ({ data }) => listener(data));
}
