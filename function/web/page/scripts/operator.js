import { accessKey } from "./preferences.js";

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Return true if the visitor may be the operator: with a key, or at the machine itself. */
export function isOperator() {
  return accessKey() !== null || LOOPBACK.test(location.hostname);
}
