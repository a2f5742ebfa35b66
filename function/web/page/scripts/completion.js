import { EventStream } from "./event-stream.js";
import { endpoint } from "./place.js";

const FIRST_BYTE_TIMEOUT_MS = 330_000; // platforms hold a request while they start an instance
const NEXT_BYTE_TIMEOUT_MS = 60_000; // the server sends something about every second

/** Failure of a reply. `kind`: key, busy, refused, unreachable, cut, silent or failed. */
export class ReplyError extends Error {
  constructor(kind, message, { code = null, status = null, retryAfter = null } = {}) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** Return the plain object that is saved with the message. */
  plain() {
    const { kind, message, code, status, retryAfter } = this;
    return { kind, message, code, status, retryAfter };
  }
}

/**
 * Request a reply; yields `{comment}`, `{model}`, `{text}`, `{finish}` and `{usage}` as they arrive.
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
    throw new ReplyError("unreachable", "The function could not be reached. Are you online?");
  }
  if (!response.ok) throw await refusal(response);
  const type = response.headers.get("Content-Type") ?? "nothing";
  if (!type.startsWith("text/event-stream")) {
    throw new ReplyError("failed", `Something else than the function answered (${type.split(";")[0]}).`);
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
    throw new ReplyError("failed", "The function sent something that is not a reply.");
  }
  if (name === "error" || chunk.error) {
    throw new ReplyError("failed", chunk.error?.message ?? "The model failed.", { code: chunk.error?.code });
  }
  if (chunk.model) yield { model: chunk.model };
  const choice = chunk.choices?.[0];
  if (choice?.delta?.content) yield { text: choice.delta.content };
  if (choice?.finish_reason) yield { finish: choice.finish_reason };
  if (chunk.usage) yield { usage: chunk.usage };
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
  const message = error?.message ?? `The server answered ${status} ${response.statusText}`.trim() + ".";
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ReplyError(kind, message, { code: error?.code, status, retryAfter: seconds > 0 ? seconds : null });
}

/** Ends a silent request: a connection can be lost without a signal to either side. */
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
      if (this.#silent) throw new ReplyError("silent", "The function has sent nothing for a long time.");
      throw error;
    }
  }

  end() {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener("abort", this.#forward);
    this.#controller.abort();
  }
}
