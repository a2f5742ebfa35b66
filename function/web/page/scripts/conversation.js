import { withFiles } from "./attachments.js";
import { isRejected } from "./error-text.js";

// A conversation is a tree of messages: editing or regenerating adds a branch, so no message is lost.
//
//   {id, title, named, created, updated, settings, leaf, messages: {id: message}}
//   message: {id, parent, role, content, created, streaming, finish, error, model, stats, thoughts, thoughtSeconds, calls, files}
//
// A message may be `leftOut`: shown, and no longer part of requests.
// `leaf` is the end of the branch that is shown. Everything here is a plain value that can be stored as it is.

export const TITLE_LENGTH = 60;

/** Return a new, empty conversation. */
export function newConversation(settings) {
  const now = Date.now();
  const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
  return { id, title: "New conversation", named: false, created: now, updated: now, settings: { ...settings }, leaf: null, messages: {} };
}

/** Add a message below `parent` (null begins the conversation) and show its branch. */
export function addMessage(conversation, parent, role, content, files = []) {
  const id = `${Object.keys(conversation.messages).length}`;
  const message = { id, parent, role, content, created: Date.now(), streaming: false };
  if (files.length) message.files = files;
  conversation.messages[id] = message;
  conversation.leaf = id;
  conversation.updated = message.created;
  if (!conversation.named && role === "user" && parent === null) conversation.title = titleOf(content || (files[0]?.name ?? ""));
  return message;
}

function titleOf(text) {
  const line = text.trim().split("\n", 1)[0].replace(/\s+/g, " ");
  const characters = [...line];
  if (characters.length <= TITLE_LENGTH) return line || "New conversation";
  return `${characters.slice(0, TITLE_LENGTH - 1).join("").trimEnd()}…`;
}

/** Return the visible messages, first to last. */
export function branch(conversation, leaf = conversation.leaf) {
  const messages = [];
  for (let id = leaf; id !== null; id = conversation.messages[id].parent) messages.unshift(conversation.messages[id]);
  return messages;
}

/** Return all versions of `message`, itself included, oldest first. */
export function versions(conversation, message) {
  return Object.values(conversation.messages).filter((other) => other.parent === message.parent);
}

/** Show the branch through `message`, down to its newest descendant. */
export function showVersion(conversation, message) {
  let end = message;
  for (;;) {
    const below = Object.values(conversation.messages).filter((other) => other.parent === end.id);
    if (!below.length) break;
    end = below.at(-1);
  }
  conversation.leaf = end.id;
}

/** Return the branch that ends with `message`, as OpenAI's messages. */
export function requestMessages(conversation, message) {
  const system = conversation.settings.system?.trim();
  const asked = system ? [{ role: "system", content: system }] : [];
  const messages = branch(conversation, message.id);
  messages.forEach(({ role, content, files, leftOut }, index) => {
    if (leftOut || (role === "user" && hasRejectedQuestion(messages[index + 1]))) return;
    const text = withFiles(content, files);
    // A reply that never began is left out; templates want turns to alternate, so its question joins the next one.
    if (!text) return;
    const last = asked.at(-1);
    if (role === "user" && last?.role === "user") last.content += `\n\n${text}`;
    else asked.push({ role, content: text });
  });
  return asked;
}

/** Return the messages before `message` that requests still contain, without its question. */
export function earlierMessages(conversation, message) {
  return branch(conversation, message.parent).slice(0, -1).filter(({ leftOut }) => !leftOut);
}

/** Leave the older half of the messages before `reply`'s question out of later requests. */
export function leaveOutOlder(conversation, reply) {
  const earlier = earlierMessages(conversation, reply);
  const questions = earlier.filter(({ role }) => role === "user").length;
  let left = Math.ceil(questions / 2);
  for (const message of earlier) {
    if (message.role === "user" && left-- <= 0) break;
    message.leftOut = true;
  }
}

/** Return true if the question of `reply` was rejected: with it, every later request would be rejected, too. */
export function hasRejectedQuestion(reply) {
  return isRejected(reply?.error) && !hasBegun(reply);
}

/** Return true if anything of `reply` has arrived. */
export function hasBegun({ content, thoughts, calls }) {
  return Boolean(content || thoughts || calls?.length);
}

/** Return true if `text` is in the title or in a message. */
export function contains(conversation, text) {
  const wanted = text.toLocaleLowerCase();
  if (conversation.title.toLocaleLowerCase().includes(wanted)) return true;
  return Object.values(conversation.messages).some(({ content }) => content.toLocaleLowerCase().includes(wanted));
}

/** Mark replies that were coming when their page was closed as interrupted. */
export function settle(conversation) {
  for (const message of Object.values(conversation.messages)) {
    if (!message.streaming) continue;
    message.streaming = false;
    message.error = { kind: "closed", message: "The page was closed before the reply was complete." };
  }
  return conversation;
}
