import { prefer, preference } from "./preferences.js";

// What is written and not yet sent, one draft per conversation: `{text, files}`.

const EMPTY = { text: "", files: [] };

function slot(conversation) {
  return `draft:${conversation.leaf === null ? "new" : conversation.id}`;
}

/** The draft of `conversation`. */
export function draftOf(conversation) {
  return preference(slot(conversation)) ?? EMPTY;
}

/** Keep the draft of `conversation`; an empty one is forgotten. */
export function keepDraft(conversation, { text, files }) {
  prefer(slot(conversation), text || files.length ? { text, files } : null);
}
