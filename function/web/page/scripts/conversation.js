// A conversation is a tree of messages: editing or regenerating adds a branch, so that no message is lost.
//
//   {id, title, named, created, updated, settings, leaf, messages: {id: message}}
//   message: {id, parent, role, content, created, streaming, finish, error, model, stats}
//
// `leaf` is the end of the visible branch. All values are plain and can be stored as they are.

export const TITLE_LENGTH = 60;

/** Return a new, empty conversation. */
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
  for (const { role, content } of branch(conversation, message.id)) {
    // A reply without text is left out; templates require alternating roles, so its question joins the next one.
    if (!content) continue;
    const last = asked.at(-1);
    if (role === "user" && last?.role === "user") last.content += `\n\n${content}`;
    else asked.push({ role, content });
  }
  return asked;
}

/** Mark the replies that were in progress when the page was closed: they will not continue. */
export function settle(conversation) {
  for (const message of Object.values(conversation.messages)) {
    if (!message.streaming) continue;
    message.streaming = false;
    message.error = { kind: "closed", message: "The page was closed before the reply was complete." };
  }
  return conversation;
}
