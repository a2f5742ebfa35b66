import { announce } from "./announce.js";
import { branch } from "./conversation.js";
import { byId } from "./dom.js";
import { canRetry } from "./error-text.js";
import { QuestionView } from "./question-view.js";
import { ReplyView, statsText } from "./reply-view.js";

const FOLLOW_DISTANCE_PX = 60; // a reader this near to the end follows the text
const MAX_ANNOUNCED_CHARACTERS = 600; // longest reply that is announced as a whole

/** Messages of the current conversation. */
export class ThreadView {
  #chat;
  #views = new Map();
  #list = byId("messages");
  #scroller = byId("thread");
  #jump = byId("jump");
  #follows = true;
  #top = 0; // of what is visible, in pixels
  #shown = null;

  constructor(chat) {
    this.#chat = chat;
    chat.addEventListener("thread", () => this.#render());
    chat.addEventListener("progress", () => this.#activeView()?.progress());
    chat.addEventListener("text", () => this.#activeView()?.grow());
    chat.addEventListener("reply", ({ detail }) => this.#replied(detail));
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#jump.addEventListener("click", () => {
      this.#toEnd("smooth");
      byId("message").focus();
    });
    new ResizeObserver(() => this.#keepUp()).observe(this.#list);
    new ResizeObserver(() => this.#keepUp()).observe(this.#scroller);
  }

  #render() {
    const { current, active } = this.#chat;
    if (this.#shown !== current) this.#views.clear();
    const messages = branch(current);
    const elements = messages.map((message) => {
      const view = this.#viewOf(message);
      view.refresh();
      return view.element;
    });
    this.#place(elements);
    document.body.classList.toggle("empty", messages.length === 0);
    if (this.#shown !== current || active?.conversation === current) this.#toEnd("instant");
    this.#shown = current;
  }

  /** Make `elements` the list's children, moving as few as possible: a moved element loses the focus. */
  #place(elements) {
    elements.forEach((element, index) => {
      const there = this.#list.children[index];
      if (there !== element) this.#list.insertBefore(element, there ?? null);
    });
    while (this.#list.children.length > elements.length) this.#list.lastElementChild.remove();
  }

  #viewOf(message) {
    let view = this.#views.get(message.id);
    if (!view) {
      view = message.role === "user" ? new QuestionView(this.#chat, message) : new ReplyView(this.#chat, message);
      view.element.dataset.message = message.id;
      this.#views.set(message.id, view);
    }
    view.message = message; // another tab may have written it
    return view;
  }

  #activeView() {
    const { active, current } = this.#chat;
    return active?.conversation === current ? this.#views.get(active.message.id) : null;
  }

  #replied(ended) {
    if (!ended) return announce("Sent");
    const { message, conversation } = ended;
    if (conversation === this.#chat.current) this.#render();
    if (message.error) {
      announce(canRetry(message.error) ? `${message.error.message} Try again is below the message.` : message.error.message);
      this.#views.get(message.id)?.element.querySelector("#key")?.focus();
    } else {
      announce(spoken(message));
    }
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    if (scrollHeight - scrollTop - clientHeight < FOLLOW_DISTANCE_PX) this.#follows = true;
    else if (scrollTop < this.#top) this.#follows = false; // the text may have grown since the page scrolled by itself
    this.#top = scrollTop;
    this.#jump.hidden = this.#follows;
  }

  #keepUp() {
    if (this.#follows) this.#toEnd("instant");
  }

  #toEnd(behavior) {
    this.#follows = true;
    this.#jump.hidden = true;
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior });
  }
}

function spoken({ content, finish, stats }) {
  if (finish === "stopped") return "Stopped";
  if (content.length <= MAX_ANNOUNCED_CHARACTERS) return `Reply: ${content}`;
  return `Reply complete. ${stats ? statsText(stats) : ""}`;
}
