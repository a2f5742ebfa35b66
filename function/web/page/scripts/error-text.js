import { SAMPLING } from "./sampling.js";

// Errors in a visitor's words. The server's own messages are for its operator.

/** Codes of requests that are larger than the model or the server takes. */
export const TOO_LONG = ["context_length_exceeded", "body_too_large"];

const CONTINUATION = "continue_final_message";
const BY_CODE = {
  context_length_exceeded: "This does not fit: the conversation is longer than the model can read at once.",
  body_too_large: "This message is too large to send.",
};
const BY_KIND = {
  key: "Enter the key that you were given.",
  busy: "Others are using the model at the moment.",
  refused: "The server did not accept this message.",
  failed: "Something went wrong while the model was answering.",
};

/** The error in a sentence for visitors. */
export function errorText({ kind, code, param, permanent }) {
  if (BY_CODE[code]) return BY_CODE[code];
  if (param === CONTINUATION) return "This model cannot continue a reply. Ask it for the rest in a message.";
  const setting = SAMPLING.find(({ name }) => name === param);
  if (setting) return `The model does not take this value of “${setting.label}”. Change it in Settings.`;
  if (kind !== "unavailable") return BY_KIND[kind];
  if (permanent) return "The model cannot be started. Its operator has to repair something first.";
  return "The model is not available right now. Try again in a little while.";
}

/** Return true if the request itself is at fault, so that its question must not be part of later requests. */
export function isRejected(error) {
  return Boolean(error) && [400, 413, 422].includes(error.status);
}

/** Return true if "Try again" can help: a rejected setting can be changed first. */
export function canRetry({ permanent, param }) {
  return !permanent || SAMPLING.some(({ name }) => name === param);
}
