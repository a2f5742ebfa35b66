import { askConsent, askText } from "./dialogs.js";
import { byId, element, icon } from "./dom.js";
import { asMarkdown, asRequest, download, fileName } from "./export.js";
import { openMenu } from "./menu.js";
import { prefer, preference } from "./preferences.js";

const NARROW = matchMedia("(max-width: 52rem)");

/** List of conversations: next to the thread, or a drawer above it on narrow screens. */
export class Sidebar {
  #chat;
  #list = byId("conversations");
  #sidebar = byId("sidebar");
  #toggle = byId("toggle-sidebar");

  constructor(chat) {
    this.#chat = chat;
    chat.addEventListener("list", () => this.#render());
    chat.addEventListener("reply", () => this.#render());
    byId("new-conversation").addEventListener("click", () => this.#begin());
    byId("new-here").addEventListener("click", () => this.#begin());
    byId("scrim").addEventListener("click", () => this.#open(false));
    byId("close-sidebar").addEventListener("click", () => this.#open(false));
    this.#toggle.addEventListener("click", () => this.#open(this.#sidebar.inert));
    byId("conversation-menu").addEventListener("click", ({ currentTarget }) => conversationMenu(chat, chat.current, currentTarget));
    this.#sidebar.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !NARROW.matches) return;
      event.stopPropagation(); // Escape closes the drawer here; it must not stop a reply
      this.#open(false);
    });
    NARROW.addEventListener("change", () => this.#open(this.#opensAtFirst(), false));
    this.#open(this.#opensAtFirst(), false);
  }

  #opensAtFirst() {
    return !NARROW.matches && preference("sidebar") !== false;
  }

  #open(open, byHand = true) {
    this.#sidebar.inert = !open;
    document.body.classList.toggle("sidebar-open", open);
    this.#toggle.setAttribute("aria-expanded", open);
    document.querySelector("main").inert = open && NARROW.matches;
    if (!byHand) return;
    if (!NARROW.matches) prefer("sidebar", open);
    (open ? byId("new-conversation") : this.#toggle).focus();
  }

  #begin() {
    this.#chat.begin();
    this.#leave();
  }

  /** Show the chosen conversation. */
  #leave() {
    if (NARROW.matches) this.#open(false);
    byId("message").focus();
  }

  #render() {
    const focused = /** @type {HTMLElement} */ (document.activeElement)?.dataset?.conversation;
    this.#list.replaceChildren(...this.#chat.listed.map((conversation) => this.#item(conversation)));
    if (focused) /** @type {HTMLElement} */ (this.#list.querySelector(`[data-conversation="${focused}"]`))?.focus();
    byId("no-conversations").hidden = this.#list.children.length > 0;
  }

  #item(conversation) {
    const { current, active } = this.#chat;
    const choose = () => {
      this.#chat.show(conversation);
      this.#leave();
    };
    const open = element(
      "button",
      { type: "button", class: "conversation", title: conversation.title, "data-conversation": conversation.id, click: choose },
      element("span", {}, conversation.title),
    );
    if (conversation === current) open.setAttribute("aria-current", "true");
    if (active?.conversation === conversation) open.append(element("span", { class: "busy", role: "img", "aria-label": "Reply is coming" }));
    const more = element(
      "button",
      {
        type: "button",
        class: "icon-button more",
        "aria-label": `Actions for ${conversation.title}`,
        "aria-haspopup": "menu",
        "aria-expanded": "false",
        click: ({ currentTarget }) => conversationMenu(this.#chat, conversation, currentTarget),
      },
      icon("more"),
    );
    return element("li", {}, open, more);
  }
}

function conversationMenu(chat, conversation, anchor) {
  const rename = async () => {
    const title = await askText("Rename conversation", conversation.title, "Rename");
    if (title) chat.rename(conversation, title);
  };
  const erase = async () => {
    const text = `“${conversation.title}” is kept only in this browser. Once deleted, it is gone.`;
    if (!(await askConsent("Delete this conversation?", text, "Delete"))) return;
    await chat.delete(conversation);
    byId("message").focus();
  };
  openMenu(anchor, [
    { label: "Rename", symbol: "edit", run: rename },
    { label: "Export as Markdown", symbol: "down", run: () => download(asMarkdown(conversation), fileName(conversation, "md"), "text/markdown") },
    { label: "Export as JSON", symbol: "down", run: () => download(asRequest(conversation), fileName(conversation, "json"), "application/json") },
    { label: "Delete", symbol: "trash", run: erase, danger: true },
  ]);
}
