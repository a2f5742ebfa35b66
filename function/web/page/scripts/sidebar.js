import { announce } from "./announce.js";
import { contains } from "./conversation.js";
import { askConsent, askText } from "./dialogs.js";
import { byId, element, icon } from "./dom.js";
import { asFile, asMarkdown, asRequest, download, fileName } from "./export.js";
import { readConversations } from "./import.js";
import { openMenu } from "./menu.js";
import { prefer, preference } from "./preferences.js";

const NARROW = matchMedia("(max-width: 52rem)");

/** List of conversations: next to the thread, or a drawer above it on narrow screens. */
export class Sidebar {
  #chat;
  #list = byId("conversations");
  #sidebar = byId("sidebar");
  #toggle = byId("toggle-sidebar");
  #search = byId("search");

  constructor(chat) {
    this.#chat = chat;
    chat.addEventListener("list", () => this.#render());
    chat.addEventListener("reply", () => this.#render());
    byId("new-conversation").addEventListener("click", () => this.begin());
    byId("new-here").addEventListener("click", () => this.begin());
    this.#search.addEventListener("input", () => this.#render());
    this.#search.addEventListener("keydown", (event) => this.#searchKey(event));
    const picker = byId("import-file");
    byId("import").addEventListener("click", () => picker.click());
    picker.addEventListener("change", async () => {
      await this.#import(picker.files[0]);
      picker.value = "";
    });
    byId("export-all").addEventListener("click", () => download(asFile(chat.listed), "conversations.json", "application/json"));
    byId("scrim").addEventListener("click", () => this.#open(false));
    byId("close-sidebar").addEventListener("click", () => this.#open(false));
    this.#toggle.addEventListener("click", () => this.toggle());
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

  toggle() {
    this.#open(this.#sidebar.inert);
  }

  begin() {
    this.#chat.begin();
    this.#leave();
  }

  /** Go to the search field. */
  search() {
    if (this.#sidebar.inert) this.#open(true);
    this.#search.select();
  }

  #searchKey(event) {
    if (event.key === "Escape" && this.#search.value) {
      event.stopPropagation();
      this.#search.value = "";
      this.#render();
    } else if (event.key === "Enter") {
      this.#list.querySelector(".conversation")?.click();
    }
  }

  async #import(file) {
    const problem = byId("import-problem");
    problem.textContent = "";
    try {
      const read = readConversations(await file.text());
      this.#chat.import(read);
      announce(read.length === 1 ? "Imported 1 conversation" : `Imported ${read.length} conversations`);
      this.#leave();
    } catch (error) {
      problem.textContent = `“${file.name}” was not imported. ${error.message}`;
      announce(problem.textContent);
    }
  }

  /** A conversation was chosen: go to it. */
  #leave() {
    if (NARROW.matches) this.#open(false);
    byId("message").focus();
  }

  #render() {
    const focused = /** @type {HTMLElement} */ (document.activeElement)?.dataset?.conversation;
    const { listed } = this.#chat;
    const wanted = this.#search.value.trim();
    const found = wanted ? listed.filter((conversation) => contains(conversation, wanted)) : listed;
    this.#list.replaceChildren(...found.map((conversation) => this.#item(conversation)));
    byId("nothing-found").hidden = !wanted || found.length > 0;
    byId("export-all").hidden = this.#search.hidden = listed.length === 0;
    if (focused) /** @type {HTMLElement} */ (this.#list.querySelector(`[data-conversation="${focused}"]`))?.focus();
    byId("no-conversations").hidden = listed.length > 0;
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
      element("span", { dir: "auto" }, conversation.title),
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
    const text = `“${conversation.title}” is stored only in this browser. It cannot be restored.`;
    if (!(await askConsent("Delete this conversation?", text, "Delete"))) return;
    await chat.delete(conversation);
    byId("message").focus();
  };
  const save = (text, ending, type) => download(text, fileName(conversation.title, ending), type);
  openMenu(anchor, [
    { label: "Rename", symbol: "edit", run: rename },
    { label: "Export as Markdown", symbol: "down", run: () => save(asMarkdown(conversation), "md", "text/markdown") },
    { label: "Export as JSON", symbol: "down", run: () => save(asFile([conversation]), "json", "application/json") },
    { label: "Export as API request", symbol: "down", run: () => save(asRequest(conversation), "request.json", "application/json") },
    { label: "Delete", symbol: "trash", run: erase, danger: true },
  ]);
}
