import { EventStream } from "./event-stream.js";
import { endpoint } from "./place.js";
import { errorText, TOO_LONG } from "./error-text.js";
import { readReceipt } from "./receipt.js";

const FIRST_BYTE_TIMEOUT_MS = 330_000; // ms for the first byte: platforms hold a request while they start an instance
const NEXT_BYTE_TIMEOUT_MS = 60_000; // ms between two: the server sends something about every second

/**
 * The reason that there is no reply, or no complete one. `kind`: key, busy, unavailable, refused, unreachable, cut, silent or
 * failed. The message is for visitors; `detail` is the server's own, for the operator. `permanent`: the same request cannot pass.
 */
export class ReplyError extends Error {
  constructor(kind, message, { code = null, status = null, param = null, detail = null, retryAfter = null, permanent = false } = {}) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.status = status;
    this.param = param;
    this.detail = detail;
    this.retryAfter = retryAfter;
    this.permanent = permanent;
  }

  /** The error as it is kept with the message. */
  plain() {
    const { kind, message, code, status, param, detail, retryAfter, permanent } = this;
    return { kind, message, code, status, param, detail, retryAfter, permanent };
  }
}

/**
 * Ask for a reply; yields `{comment}`, `{model}`, `{thought}`, `{text}`, `{call}`, `{finish}` and `{usage, receipt}` as they come.
 * A `call` is a piece of a tool call: `{index, name, arguments}`.
 * Throws ReplyError; when `signal` fires, the AbortError of fetch.
 */
export async function* complete(body, { key, signal }) {
  const watchdog = new Watchdog(signal);
  try {
    yield* watchdog.guard(answer(body, key, watchdog));
  } finally {
    watchdog.end();
  }
}

async function* answer(body, key, watchdog) {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  if (key) headers.Authorization = `Bearer ${key}`;
  watchdog.expect(FIRST_BYTE_TIMEOUT_MS);
  const options = { method: "POST", headers, body: JSON.stringify(body), signal: watchdog.signal, cache: "no-store" };
  let response;
  try {
    response = await fetch(endpoint("v1/chat/completions"), /** @type {RequestInit} */ (options));
  } catch (error) {
    if (watchdog.signal.aborted) throw error;
    throw new ReplyError("unreachable", "The server could not be reached. Are you online?");
  }
  if (!response.ok) throw await refusal(response);
  const type = response.headers.get("Content-Type") ?? "nothing";
  if (!type.startsWith("text/event-stream")) {
    throw new ReplyError("failed", `Another server answered in place of the model (${type.split(";")[0]}).`);
  }
  yield* events(response.body.getReader(), watchdog);
}

async function* events(reader, watchdog) {
  const stream = new EventStream();
  const decoder = new TextDecoder(); // one for the whole stream: a character may be split between two reads
  for (;;) {
    watchdog.expect(NEXT_BYTE_TIMEOUT_MS);
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      if (watchdog.signal.aborted) throw error;
      piece = { done: true };
    }
    if (piece.done) throw new ReplyError("cut", "The reply ended before it was complete.");
    for (const event of stream.feed(decoder.decode(piece.value, { stream: true }))) {
      if (event.data === "[DONE]") return;
      if (event.comment !== undefined) yield event;
      else yield* parts(event);
    }
  }
}

function* parts({ name, data }) {
  let chunk;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new ReplyError("failed", "The answer could not be read: it is not a reply.");
  }
  if (name === "error" || chunk.error) {
    const { code, message } = chunk.error ?? {};
    throw new ReplyError("failed", errorText({ kind: "failed", code, param: null, permanent: false }), { code, detail: message });
  }
  if (chunk.model) yield { model: chunk.model };
  const choice = chunk.choices?.[0];
  const delta = choice?.delta ?? {};
  if (delta.reasoning_content) yield { thought: delta.reasoning_content };
  if (delta.content) yield { text: delta.content };
  for (const { index, function: called = {} } of delta.tool_calls ?? []) {
    yield { call: { index, name: called.name ?? "", arguments: called.arguments ?? "" } };
  }
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
  if (chunk.usage) yield { usage: chunk.usage, receipt: readReceipt(chunk.receipt) };
}

async function refusal(response) {
  let error = null;
  try {
    error = (await response.json()).error;
  } catch {
    // the error page of a proxy
  }
  const { status } = response;
  const kind = { 401: "key", 429: "busy", 503: "unavailable" }[status] ?? "refused";
  const detail = error?.message ?? `${status} ${response.statusText}`.trim();
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const permanent = response.headers.get("x-should-retry") === "false" || TOO_LONG.includes(error?.code);
  const found = { kind, code: error?.code ?? null, status, param: error?.param ?? null, detail, permanent };
  return new ReplyError(kind, errorText(found), { ...found, retryAfter: seconds > 0 ? seconds : null });
}

/** Ends a request that has gone silent: a connection can be lost without a signal to either side. */
class Watchdog {
  #controller = new AbortController();
  #timer = null;
  #silent = false;
  #outer;
  #forward = () => this.#controller.abort();

  constructor(outer) {
    this.#outer = outer;
    outer.addEventListener("abort", this.#forward);
    if (outer.aborted) this.#forward();
  }

  get signal() {
    return this.#controller.signal;
  }

  expect(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#silent = true;
      this.#controller.abort();
    }, milliseconds);
  }

  async *guard(generator) {
    try {
      yield* generator;
    } catch (error) {
      if (this.#silent) throw new ReplyError("silent", "Nothing has arrived for a long time.");
      throw error;
    }
  }

  end() {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#forward);
    this.#controller.abort();
  }
}
