import { complete, ReplyError } from "./completion.js";
import { addMessage, hasBegun, leaveOutOlder, newConversation, requestMessages, showVersion } from "./conversation.js";
import { accessKey, prefer, preference } from "./preferences.js";
import { CONNECTING, progressed } from "./progress.js";
import { samplingFields } from "./sampling.js";
import { deleteConversation, heldReplies, holdReply, loadConversation, loadConversations, onForeignChange, openStore, replyReleased, saveConversation } from "./store.js";

const MIN_MEASURABLE_MS = 50; // ms: a shorter reply came in one piece, from which no speed follows
const CONTINUED = { continue_final_message: true, add_generation_prompt: false }; // the reply is the rest of the last message
const SAVE_INTERVAL_MS = 1000; // ms between two writes of a reply that is still coming

/**
 * The conversations and the one reply that may be coming. Events report to the views what changed:
 * `list`, `thread` (its messages), `progress` and `text` (of the coming reply), `reply` (one began or ended), `queue`,
 * `storage`, `tabs` (a reply began or ended in another tab).
 */
export class Chat extends EventTarget {
  conversations = [];
  current = null;
  active = null; // {conversation, message, progress, began, controller, saving}
  queued = null; // {conversation, text, files}: the message that follows the coming reply
  keeps = true;
  elsewhere = new Set(); // ids of the conversations whose reply is coming in another tab

  async open() {
    this.keeps = await openStore();
    this.conversations = await loadConversations();
    const last = this.conversations.find(({ id }) => id === preference("current"));
    this.current = last ?? this.#empty();
    onForeignChange((id) => this.#reload(id));
    for (const id of await heldReplies()) this.#waitForTab(id);
  }

  /** True while a reply is coming here, or in another tab to the current conversation. */
  get isBusy() {
    return Boolean(this.active) || this.elsewhere.has(this.current.id);
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
    this.#notify("list");
  }

  /** Send `text` with `files` below message `parent`; by default at the end of what is shown. */
  send(text, { parent = this.current.leaf, files = [], conversation = this.current } = {}) {
    if (this.active || this.elsewhere.has(conversation.id)) return;
    if (!this.conversations.includes(conversation)) this.conversations.push(conversation);
    const question = addMessage(conversation, parent, "user", text, files);
    this.#reply(conversation, addMessage(conversation, question.id, "assistant", ""));
  }

  /** Send `text` with `files` once the coming reply is complete. */
  queue(text, files) {
    this.queued = { conversation: this.active.conversation, text, files };
    this.#notify("queue");
  }

  /** Take the queued message back; returns it. */
  unqueue() {
    const { queued } = this;
    this.queued = null;
    this.#notify("queue");
    return queued;
  }

  /** Ask again for `reply`: a failed one that never began is replaced, any other gets a further version. */
  again(reply) {
    if (this.isBusy) return;
    const conversation = this.current;
    const message = hasBegun(reply) ? addMessage(conversation, reply.parent, "assistant", "") : reply;
    this.#reply(conversation, Object.assign(message, { error: null, finish: null, stats: null }));
  }

  /** Ask again for `reply` without the older half of the messages before it. */
  againShorter(reply) {
    if (this.isBusy) return;
    leaveOutOlder(this.current, reply);
    this.again(reply);
  }

  /** Ask for the rest of `reply`, which is added to it. */
  continueReply(reply) {
    if (this.isBusy) return;
    this.#reply(this.current, Object.assign(reply, { error: null, finish: null }), { continued: true });
  }

  /** Add conversations that a file contains, and show the first of them. */
  import(conversations) {
    this.conversations.push(...conversations);
    for (const conversation of conversations) this.save(conversation);
    this.show(conversations[0]);
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

  async #reply(conversation, message, { continued = false } = {}) {
    message.streaming = true;
    const began = performance.now();
    const controller = new AbortController();
    const active = { conversation, message, began, controller, progress: CONNECTING, saving: null, first: null, last: null, thinking: null };
    Object.assign(active, { before: continued ? message.stats : null, usage: null, receipt: null });
    this.active = active;
    const release = holdReply(conversation.id);
    this.save(conversation);
    this.#notify("list", "thread", "reply");
    const last = continued ? message : conversation.messages[message.parent];
    const body = {
      messages: requestMessages(conversation, last),
      ...(continued ? CONTINUED : {}),
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
    endThoughts(active);
    clearTimeout(active.saving);
    message.streaming = false;
    conversation.updated = Date.now();
    this.active = null;
    this.save(conversation).then(release);
    this.dispatchEvent(new CustomEvent("reply", { detail: active }));
    this.#notify("list");
    if (this.queued && !message.error) this.#sendQueued();
  }

  #take(active, part) {
    const { message } = active;
    if (part.comment !== undefined && active.first === null) {
      active.progress = progressed(active.progress, part.comment);
      this.#notify("progress");
    }
    if (part.model) message.model = part.model;
    if (part.finish) message.finish = part.finish;
    if (part.thought || part.text || part.call) this.#grow(active, part);
    if (part.usage) Object.assign(active, { usage: part.usage, receipt: part.receipt });
    if (active.first !== null) message.stats = statistics(active);
  }

  #grow(active, { thought, text, call }) {
    const { message } = active;
    active.last = performance.now();
    active.first ??= active.last;
    if (thought) {
      active.thinking ??= active.last;
      message.thoughts = (message.thoughts ?? "") + thought;
    } else {
      endThoughts(active);
    }
    if (text) message.content += text;
    if (call) addToCalls((message.calls ??= []), call);
    this.#notify("text");
    active.saving ??= setTimeout(() => {
      active.saving = null;
      this.save(active.conversation);
    }, SAVE_INTERVAL_MS);
  }

  #sendQueued() {
    const { text, files, conversation } = this.unqueue();
    if (this.conversations.includes(conversation)) this.send(text, { files, conversation, parent: conversation.leaf });
  }

  #empty() {
    return newConversation(preference("settings") ?? {});
  }

  /** Another tab has written the conversation, or deleted it. */
  async #reload(id) {
    if (this.active?.conversation.id === id) return;
    const found = await loadConversation(id);
    const known = this.conversations.find((other) => other.id === id);
    if (found && known) Object.assign(known, found);
    else if (found) this.conversations.push(found);
    else this.conversations = this.conversations.filter((other) => other !== known);
    if ((await heldReplies()).includes(id)) this.#waitForTab(id);
    if (this.current.id !== id) return this.#notify("list");
    if (!found) this.current = this.#empty();
    else if (!known) this.current = found;
    this.#notify("list", "thread");
  }

  async #waitForTab(id) {
    if (this.elsewhere.has(id) || this.active?.conversation.id === id) return;
    this.elsewhere.add(id);
    this.#notify("tabs");
    await replyReleased(id);
    this.elsewhere.delete(id);
    await this.#reload(id);
    this.#notify("tabs");
  }

  #notify(...names) {
    for (const name of names) this.dispatchEvent(new CustomEvent(name));
  }
}

function reason(error) {
  if (error instanceof ReplyError) return error;
  return new ReplyError("failed", "The page could not show the reply.", { detail: error.message });
}

function endThoughts(active) {
  if (active.thinking === null) return;
  active.message.thoughtSeconds = (active.message.thoughtSeconds ?? 0) + (performance.now() - active.thinking) / 1000;
  active.thinking = null;
}

function addToCalls(calls, { index, name, arguments: piece }) {
  const call = (calls[index] ??= { name: "", arguments: "" });
  call.name += name;
  call.arguments += piece;
}

/**
 * Return the seconds to the first token, the tokens per second after it, and the server's counts and receipt, if any yet.
 * `active.before`: the statistics of the part that this one continues.
 */
function statistics({ began, first, last, progress, before, usage, receipt }) {
  const count = usage?.completion_tokens ?? null;
  const speed = count > 1 && last - first > MIN_MEASURABLE_MS ? (count - 1) / ((last - first) / 1000) : null;
  const firstToken = before?.firstToken ?? (first - began) / 1000;
  const tokens = count === null ? null : count + (before?.tokens ?? 0);
  return { firstToken, speed, tokens, usage, cold: progress.cold || before?.cold === true, receipt };
}
