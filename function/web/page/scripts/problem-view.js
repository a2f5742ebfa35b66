import { element, icon } from "./dom.js";
import { accessKey, keyIsRemembered, useKey } from "./preferences.js";

const TITLES = {
  key: "This function asks for a key",
  busy: "The model is busy",
  unavailable: "The model is not available",
  refused: "The function refused this",
  unreachable: "No connection",
  cut: "The connection dropped",
  silent: "The connection went silent",
  failed: "The reply failed",
  closed: "The reply was interrupted",
};
const EXPECTED_KINDS = ["key", "busy", "closed"]; // these are no faults
const TOO_LONG = ["context_length_exceeded", "body_too_large"];

/** Failure of a reply, its cause and the remedies. `actions`: again, begin. */
export function problemView(error, actions) {
  const box = element(
    "div",
    { class: EXPECTED_KINDS.includes(error.kind) ? "problem mild" : "problem", role: "group", "aria-label": "Problem" },
    element("div", { class: "problem-head" }, icon(error.kind === "key" ? "key" : "alert"), element("strong", {}, TITLES[error.kind])),
    element("p", {}, error.message, error.code && !EXPECTED_KINDS.includes(error.kind) ? element("code", {}, error.code) : null),
  );
  if (error.kind === "key") box.append(keyForm(actions.again));
  else box.append(retry(error, actions));
  return box;
}

function retry(error, actions) {
  const again = element("button", { type: "button", class: "button", click: actions.again }, icon("again"), "Try again");
  const row = element("div", { class: "problem-actions" }, again);
  if (TOO_LONG.includes(error.code)) {
    row.append(element("button", { type: "button", class: "button", click: actions.begin }, icon("plus"), "New conversation"));
  }
  if (error.retryAfter) row.append(countdown(error));
  return row;
}

function countdown({ retryAfter, at }) {
  const shown = element("span", { class: "countdown" });
  const tick = () => {
    const left = Math.ceil((at - Date.now()) / 1000 + retryAfter);
    shown.textContent = left > 0 ? `likely free in ${left} s` : "";
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
