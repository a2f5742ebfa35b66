import { prefer, preference } from "./preferences.js";

// Messages that are not sent yet, one draft for each conversation: `{text, files}`.

const EMPTY = { text: "", files: [] };

function slot(conversation) {
  return `draft:${conversation.leaf === null ? "new" : conversation.id}`;
}

/** Return the draft of `conversation`. */
export function draftOf(conversation) {
  return preference(slot(conversation)) ?? EMPTY;
}

/** Save the draft of `conversation`; an empty one is deleted. */
export function keepDraft(conversation, { text, files }) {
  prefer(slot(conversation), text || files.length ? { text, files } : null);
}
