import { addMessage, newConversation } from "./conversation.js";
import { readReceipt } from "./receipt.js";
import { SAMPLING } from "./sampling.js";

// Reader of conversations in a file. The file is not trusted: only known fields of the right type are taken.

export const FORMAT = "chat-conversations";
const ROLES = ["user", "assistant"];

/** Return the conversations in `text`, an export of this page or a request body. Throws an Error with a sentence. */
export function readConversations(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error("The file is not JSON.");
  }
  const found = data?.format === FORMAT && Array.isArray(data.conversations) ? data.conversations.map(fromExport) : [fromRequest(data)];
  const read = found.filter((conversation) => conversation?.leaf);
  if (!read.length) throw new Error("The file contains no conversation.");
  return read;
}

function fromExport(data) {
  const conversation = newConversation(settingsOf(data?.settings));
  const ids = new Map(); // those of the file are replaced
  for (const [id, message] of Object.entries(data?.messages ?? {})) {
    const parent = message?.parent === null ? null : ids.get(String(message?.parent));
    if (parent === undefined || !ROLES.includes(message.role) || typeof message.content !== "string") continue;
    const added = addMessage(conversation, parent, message.role, message.content, filesOf(message.files));
    Object.assign(added, detailsOf(message));
    ids.set(id, added.id);
  }
  conversation.leaf = ids.get(String(data?.leaf)) ?? conversation.leaf;
  if (typeof data?.title === "string" && data.title) Object.assign(conversation, { title: data.title, named: data.named === true });
  if (Number.isFinite(data?.updated)) conversation.updated = data.updated;
  if (Number.isFinite(data?.created)) conversation.created = data.created;
  return conversation;
}

function fromRequest(data) {
  const messages = Array.isArray(data?.messages) ? data.messages : [];
  const system = messages.find((message) => message?.role === "system" && typeof message.content === "string");
  const conversation = newConversation(settingsOf({ ...data, system: system?.content }));
  for (const message of messages) {
    if (!ROLES.includes(message?.role) || typeof message.content !== "string") continue;
    addMessage(conversation, conversation.leaf, message.role, message.content);
  }
  return conversation;
}

function settingsOf(data) {
  const settings = {};
  if (typeof data?.system === "string") settings.system = data.system;
  for (const { name } of SAMPLING) {
    if (Number.isFinite(data?.[name])) settings[name] = data[name];
  }
  return settings;
}

function filesOf(files) {
  if (!Array.isArray(files)) return [];
  return files.filter((file) => typeof file?.name === "string" && typeof file.text === "string").map(({ name, text }) => ({ name, text }));
}

function detailsOf({ created, finish, model, thoughts, thoughtSeconds, leftOut, calls, stats }) {
  const details = {};
  if (Number.isFinite(created)) details.created = created;
  if (typeof finish === "string") details.finish = finish;
  if (typeof model === "string") details.model = model;
  if (typeof thoughts === "string") details.thoughts = thoughts;
  if (Number.isFinite(thoughtSeconds)) details.thoughtSeconds = thoughtSeconds;
  if (leftOut === true) details.leftOut = true;
  if (Array.isArray(calls)) {
    details.calls = calls.filter(Boolean).map((call) => ({ name: String(call.name), arguments: String(call.arguments) }));
  }
  if (Number.isFinite(stats?.firstToken)) details.stats = statsOf(stats);
  return details;
}

function statsOf({ firstToken, speed, tokens, cold, usage, receipt }) {
  const number = (value) => (Number.isFinite(value) ? value : null);
  const counts = { prompt_tokens: number(usage?.prompt_tokens), completion_tokens: number(usage?.completion_tokens) };
  return { firstToken, speed: number(speed), tokens: number(tokens), usage: counts, cold: cold === true, receipt: readReceipt(receipt) };
}
