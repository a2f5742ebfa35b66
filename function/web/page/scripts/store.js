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
  const held = await heldReplies();
  const found = await settled(table("readonly").getAll());
  return found.map((conversation) => (held.includes(conversation.id) ? conversation : settle(conversation)));
}

/** Return one conversation, or undefined. */
export async function loadConversation(id) {
  const found = database ? await settled(table("readonly").get(id)) : undefined;
  return found && ((await heldReplies()).includes(id) ? found : settle(found));
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

// A tab holds a lock while it writes a reply. The browser releases it when the tab is closed or crashes.

const LOCK = `chat:${PLACE}:reply:`;

/** Hold the lock of a conversation's reply; returns the function that releases it. */
export function holdReply(id) {
  let release;
  const ended = new Promise((resolve) => (release = resolve));
  navigator.locks?.request(LOCK + id, () => ended);
  return release;
}

/** Return the ids of the conversations for which a tab writes a reply. */
export async function heldReplies() {
  const locks = (await navigator.locks?.query())?.held ?? [];
  return locks.filter(({ name }) => name.startsWith(LOCK)).map(({ name }) => name.slice(LOCK.length));
}

/** Wait until no tab writes a reply of the conversation. */
export async function replyReleased(id) {
  await navigator.locks.request(LOCK + id, { mode: "shared" }, () => {});
}
