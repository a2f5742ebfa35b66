import { element, icon } from "./dom.js";
import { canRetry, TOO_LONG } from "./error-text.js";
import { isOperator } from "./operator.js";
import { accessKey, keyIsRemembered, useKey } from "./preferences.js";
import { roughly } from "./progress.js";

const TITLES = {
  key: "This chat asks for a key",
  busy: "The model is busy",
  unavailable: "The model is not available",
  refused: "The message was rejected",
  unreachable: "No connection",
  cut: "The connection dropped",
  silent: "The connection went silent",
  failed: "The reply failed",
  closed: "The reply was interrupted",
};
const EXPECTED_KINDS = ["key", "busy", "closed"]; // nothing is broken

/**
 * The problem of a reply and what can be done. `actions`: again, begin and, where they apply, shorten and proceed.
 * `leavesOut`: later requests are without the question.
 */
export function problemView(error, actions, leavesOut) {
  const box = element(
    "div",
    { class: EXPECTED_KINDS.includes(error.kind) ? "problem mild" : "problem", role: "group", "aria-label": "Problem" },
    element("div", { class: "problem-head" }, icon(error.kind === "key" ? "key" : "alert"), element("strong", {}, TITLES[error.kind])),
    element("p", { dir: "auto" }, error.message),
  );
  if (leavesOut) box.append(element("p", { class: "quiet" }, "Later messages are sent without it."));
  if (error.kind === "key") box.append(keyForm(actions.again));
  else box.append(retry(error, actions));
  if (error.detail && isOperator()) box.append(details(error));
  return box;
}

/** The server's own message, which addresses its operator. */
function details({ detail, code }) {
  return element("details", { class: "problem-details" }, element("summary", {}, "Details"), element("p", {}, detail, " ", code ? element("code", {}, code) : null));
}

function retry(error, actions) {
  const row = element("div", { class: "problem-actions" });
  const add = (label, symbol, click) => row.append(element("button", { type: "button", class: "button asks", click }, icon(symbol), label));
  const long = TOO_LONG.includes(error.code);
  if (canRetry(error)) add("Try again", "again", actions.again);
  if (actions.proceed) add("Continue", "forth", actions.proceed);
  if (long && actions.shorten) add("Leave out older messages", "again", actions.shorten);
  if (long) add("New conversation", "plus", actions.begin);
  if (error.retryAfter) row.append(countdown(error));
  return row;
}

function countdown({ retryAfter, at }) {
  const shown = element("span", { class: "countdown" });
  const tick = () => {
    const left = Math.ceil((at - Date.now()) / 1000 + retryAfter);
    shown.textContent = left > 0 ? `likely free in ${roughly(left)}` : "";
    if (left <= 0) clearInterval(timer);
  };
  const timer = setInterval(tick, 1000);
  tick();
  return shown;
}

/** Return a form for the key; submitting it repeats the request. */
function keyForm(again) {
  const wrong = accessKey() !== null;
  const input = element("input", { type: "password", id: "key", name: "key", autocomplete: "current-password", required: true, spellcheck: "false" });
  const remember = element("input", { type: "checkbox", id: "remember", checked: keyIsRemembered() });
  const submit = (event) => {
    event.preventDefault();
    useKey(input.value.trim(), remember.checked);
    again();
  };
  return element(
    "form",
    { class: "key-form", submit },
    element("label", { for: "key" }, wrong ? "The key is wrong. Another key:" : "Key"),
    element("div", { class: "key-row" }, input, element("button", { type: "submit", class: "button primary" }, "Use key")),
    element("label", { class: "check" }, remember, "Remember it on this device"),
  );
}
