// A conversation is a tree of messages: editing or regenerating adds a branch, so nothing that was said is lost.
//
//   {id, title, named, created, updated, settings, leaf, messages: {id: message}}
//   message: {id, parent, role, content, created, streaming, finish, error, model, stats}
//
// `leaf` is the end of the branch that is shown. Everything here is a plain value that can be stored as it is.

export const TITLE_LENGTH = 60;

/** A new, empty conversation. */
export function newConversation(settings) {
  const now = Date.now();
  const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
  return { id, title: "New conversation", named: false, created: now, updated: now, settings: { ...settings }, leaf: null, messages: {} };
}

/** Add a message below `parent` (null begins the conversation) and show its branch. */
export function addMessage(conversation, parent, role, content) {
  const id = `${Object.keys(conversation.messages).length}`;
  const message = { id, parent, role, content, created: Date.now(), streaming: false };
  conversation.messages[id] = message;
  conversation.leaf = id;
  conversation.updated = message.created;
  if (!conversation.named && role === "user" && parent === null) conversation.title = titleOf(content);
  return message;
}

function titleOf(text) {
  const line = text.trim().split("\n", 1)[0].replace(/\s+/g, " ");
  const characters = [...line];
  if (characters.length <= TITLE_LENGTH) return line || "New conversation";
  return `${characters.slice(0, TITLE_LENGTH - 1).join("").trimEnd()}…`;
}

/** The messages shown, first to last. */
export function branch(conversation, leaf = conversation.leaf) {
  const messages = [];
  for (let id = leaf; id !== null; id = conversation.messages[id].parent) messages.unshift(conversation.messages[id]);
  return messages;
}

/** The messages that stand in the same place as `message`, itself included, oldest first. */
export function versions(conversation, message) {
  return Object.values(conversation.messages).filter((other) => other.parent === message.parent);
}

/** Show the branch that leads through `message`, to the newest message below it. */
export function showVersion(conversation, message) {
  let end = message;
  for (;;) {
    const below = Object.values(conversation.messages).filter((other) => other.parent === end.id);
    if (!below.length) break;
    end = below.at(-1);
  }
  conversation.leaf = end.id;
}

/** What the function is asked to answer: the branch that ends with `message`, as OpenAI's messages. */
export function requestMessages(conversation, message) {
  const system = conversation.settings.system?.trim();
  const asked = system ? [{ role: "system", content: system }] : [];
  for (const { role, content } of branch(conversation, message.id)) {
    // A reply that never began is left out; templates want turns to alternate, so its question joins the next one.
    if (!content) continue;
    const last = asked.at(-1);
    if (role === "user" && last?.role === "user") last.content += `\n\n${content}`;
    else asked.push({ role, content });
  }
  return asked;
}

/** A reply that was being written when the page went away will not be continued. */
export function settle(conversation) {
  for (const message of Object.values(conversation.messages)) {
    if (!message.streaming) continue;
    message.streaming = false;
    message.error = { kind: "closed", message: "The page was closed before the reply was complete." };
  }
  return conversation;
}
