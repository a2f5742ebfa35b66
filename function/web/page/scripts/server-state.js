import { endpoint } from "./place.js";
import { accessKey } from "./preferences.js";
import { coldProgress } from "./progress.js";

const POLL_MILLISECONDS = 1000; // while the model starts, and only then

/**
 * The state of the model: `unknown`, `starting`, `ready`, `failed` or `unreachable`. The page asks once when it opens, and
 * again only while a cold start lasts; replies report the rest. The event `change` reports each change.
 */
export class ServerState extends EventTarget {
  state = "unknown";
  model = null;
  context = null; // tokens
  progress = null; // of a cold start
  detail = null; // the server's own error, for the operator
  began = performance.now();
  #chat;

  constructor(chat) {
    super();
    this.#chat = chat;
    chat.addEventListener("progress", () => this.#follow(chat.active));
    chat.addEventListener("reply", ({ detail }) => detail && this.#replied(detail.message));
  }

  async open() {
    await Promise.all([this.#askState(), this.#askModel()]);
  }

  async #askState() {
    const body = await ask("health/ready");
    if (this.#chat.active) return this.#later(); // its stream reports more than this
    if (!body) return this.#set({ state: "unreachable", progress: null });
    const progress = coldProgress(body);
    const state = progress ? "starting" : body.state === "ready" ? "ready" : "failed";
    const started = this.state === "starting" && state === "ready";
    this.#set({ state, progress, detail: body.error?.message ?? null });
    if (progress) this.#later();
    if (started) await this.#askModel(); // a loaded model has the name and the context that its file gives it
  }

  async #askModel() {
    const card = (await ask("v1/models"))?.data?.[0];
    if (card) this.#set({ model: card.id, context: card.meta?.n_ctx ?? null });
  }

  #later() {
    setTimeout(() => {
      if (this.state !== "starting") return;
      if (this.#chat.active || document.hidden) this.#later();
      else this.#askState();
    }, POLL_MILLISECONDS);
  }

  #follow({ progress }) {
    if (progress.cold) this.#set({ state: progress.phase === "prefill" || progress.phase === "queued" ? "ready" : "starting", progress });
  }

  #replied({ error, model }) {
    const found = { unavailable: "failed", unreachable: "unreachable" }[error?.kind];
    if (found) this.#set({ state: found, progress: null });
    else if (model && !error) this.#set({ state: "ready", model, progress: null });
    else if (this.state === "starting") this.#askState(); // the cold start may have failed with the reply
  }

  #set(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new CustomEvent("change"));
  }
}

/** Return the JSON at `path` for any status; null when there is none. */
async function ask(path) {
  const key = accessKey();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    return await (await fetch(endpoint(path), { headers, cache: "no-store" })).json();
  } catch {
    return null;
  }
}

const QUANTISATION = /[-_.]((?:UD-)?(?:I?Q\d\w*|B?F16|F32|TQ\d\w*|MXFP4\w*))$/i;

/** Return the known facts about the model, in words: its name, its quantisation and its context. */
export function modelFacts({ model, context }) {
  if (!model) return [];
  const base = model.replace(/\.gguf$/i, "");
  const quantisation = QUANTISATION.exec(base)?.[1];
  const facts = [quantisation ? base.slice(0, -quantisation.length - 1) : base];
  if (quantisation) facts.push(quantisation.toUpperCase());
  if (context) facts.push(`${context.toLocaleString("en")} tokens of context`);
  return facts;
}
