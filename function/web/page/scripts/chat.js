import { complete, ReplyError } from "./completion.js";
import { addMessage, newConversation, requestMessages, showVersion } from "./conversation.js";
import { accessKey, prefer, preference } from "./preferences.js";
import { CONNECTING, progressed } from "./progress.js";
import { samplingFields } from "./sampling.js";
import { deleteConversation, loadConversation, loadConversations, onForeignChange, openStore, saveConversation } from "./store.js";

const MIN_MEASURABLE_MS = 50; // a reply that arrives faster came in one piece: it has no measurable speed
const SAVE_INTERVAL_MS = 1000; // between two writes of an unfinished reply

/**
 * The conversations, and the one reply that may be in progress. Its events name what changed:
 * `list`, `thread` (its messages), `progress` and `text` (of the reply), `reply` (one began or ended), `storage`.
 */
export class Chat extends EventTarget {
  conversations = [];
  current = null;
  active = null; // {conversation, message, progress, began, controller, saved}
  keeps = true;

  async open() {
    this.keeps = await openStore();
    this.conversations = await loadConversations();
    const last = this.conversations.find(({ id }) => id === preference("current"));
    this.current = last ?? this.#empty();
    onForeignChange((id) => this.#reload(id));
  }

  /** Conversations with messages, the latest first. */
  get listed() {
    const begun = this.conversations.filter(({ messages }) => Object.keys(messages).length);
    return begun.sort((a, b) => b.updated - a.updated);
  }

  begin() {
    this.show(this.#empty());
  }

  show(conversation) {
    this.current = conversation;
    prefer("current", conversation.id);
    this.#notify("list", "thread");
  }

  /** Show the branch through `message`. */
  showVersion(message) {
    showVersion(this.current, message);
    this.save(this.current);
    this.#notify("thread");
  }

  rename(conversation, title) {
    Object.assign(conversation, { title, named: true });
    this.save(conversation);
    this.#notify("list");
  }

  async delete(conversation) {
    if (this.active?.conversation === conversation) this.stop();
    this.conversations = this.conversations.filter((other) => other !== conversation);
    if (this.current === conversation) this.show(this.#empty());
    else this.#notify("list");
    await deleteConversation(conversation.id);
  }

  /** Save settings for the current conversation and for later ones. */
  configure(settings) {
    this.current.settings = settings;
    prefer("settings", settings);
    if (Object.keys(this.current.messages).length) this.save(this.current);
  }

  /** Send `text` below message `parent`; by default at the end of the branch. */
  send(text, parent = this.current.leaf) {
    if (this.active) return;
    const conversation = this.current;
    if (!this.conversations.includes(conversation)) this.conversations.push(conversation);
    const question = addMessage(conversation, parent, "user", text);
    this.#reply(conversation, addMessage(conversation, question.id, "assistant", ""));
  }

  /** Request `reply` again: a failed one without text is replaced, any other gets another version. */
  again(reply) {
    if (this.active) return;
    const conversation = this.current;
    const message = reply.content ? addMessage(conversation, reply.parent, "assistant", "") : reply;
    this.#reply(conversation, Object.assign(message, { error: null, finish: null, stats: null }));
  }

  stop() {
    this.active?.controller.abort();
  }

  async save(conversation) {
    if (!this.conversations.includes(conversation)) return;
    const kept = await saveConversation(conversation);
    if (kept === this.keeps) return;
    this.keeps = kept;
    this.#notify("storage");
  }

  async #reply(conversation, message) {
    message.streaming = true;
    const began = performance.now();
    const controller = new AbortController();
    const active = { conversation, message, began, controller, progress: CONNECTING, saved: began, first: null, last: null };
    this.active = active;
    this.save(conversation);
    this.#notify("list", "thread", "reply");
    const question = conversation.messages[message.parent];
    const body = {
      messages: requestMessages(conversation, question),
      stream: true,
      stream_options: { include_usage: true },
      ...samplingFields(conversation.settings),
    };
    try {
      for await (const part of complete(body, { key: accessKey(), signal: controller.signal })) this.#take(active, part);
    } catch (error) {
      if (controller.signal.aborted) message.finish = "stopped";
      else message.error = { ...reason(error).plain(), at: Date.now() };
    }
    message.streaming = false;
    conversation.updated = Date.now();
    this.active = null;
    this.save(conversation);
    this.dispatchEvent(new CustomEvent("reply", { detail: active }));
    this.#notify("list");
  }

  #take(active, part) {
    const { message } = active;
    if (part.comment !== undefined && active.first === null) {
      active.progress = progressed(active.progress, part.comment);
      this.#notify("progress");
    }
    if (part.model) message.model = part.model;
    if (part.finish) message.finish = part.finish;
    if (part.text) {
      active.last = performance.now();
      active.first ??= active.last;
      message.content += part.text;
      this.#notify("text");
      if (active.last - active.saved > SAVE_INTERVAL_MS) {
        active.saved = active.last;
        this.save(active.conversation);
      }
    }
    if (active.first !== null) message.stats = statistics(active, part.usage ?? message.stats?.usage);
  }

  #empty() {
    return newConversation(preference("settings") ?? {});
  }

  async #reload(id) {
    if (this.active?.conversation.id === id) return;
    const found = await loadConversation(id);
    this.conversations = this.conversations.filter((other) => other.id !== id);
    if (found) this.conversations.push(found);
    if (this.current.id !== id) return this.#notify("list");
    this.current = found ?? this.#empty();
    this.#notify("list", "thread");
  }

  #notify(...names) {
    for (const name of names) this.dispatchEvent(new CustomEvent(name));
  }
}

function reason(error) {
  if (error instanceof ReplyError) return error;
  return new ReplyError("failed", `The page failed to read the reply: ${error.message}`);
}

/** Return the seconds to the first token, the tokens per second after it, and the server's counts, if any yet. */
function statistics({ began, first, last, progress }, usage) {
  const tokens = usage?.completion_tokens ?? null;
  const speed = tokens > 1 && last - first > MIN_MEASURABLE_MS ? (tokens - 1) / ((last - first) / 1000) : null;
  return { firstToken: (first - began) / 1000, speed, tokens, usage, cold: progress.cold };
}
