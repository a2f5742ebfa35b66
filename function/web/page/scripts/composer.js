import { announce } from "./announce.js";
import { LONG_PASTE_CHARACTERS, readFiles, tokensText } from "./attachments.js";
import { byId, element, icon, iconButton } from "./dom.js";
import { draftOf, keepDraft } from "./drafts.js";
import { sends } from "./keys.js";

/** The box at the bottom: a message and its files, written, kept as a draft, and sent or queued. */
export class Composer {
  #chat;
  #text = byId("message");
  #send = byId("send");
  #stop = byId("stop");
  #later = byId("send-later");
  #elsewhere = byId("elsewhere");
  #attached = byId("attached");
  #queued = byId("queued");
  #problem = byId("attach-problem");
  #files = [];
  #reading = 0; // files that are being read
  #conversation = null;

  constructor(chat) {
    this.#chat = chat;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#changed());
    this.#text.addEventListener("keydown", (event) => {
      if (!sends(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#later.addEventListener("click", () => this.#submit());
    this.#stop.addEventListener("click", () => chat.stop());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) chat.stop();
    });
    chat.addEventListener("reply", ({ detail }) => this.#turned(detail));
    chat.addEventListener("thread", () => this.#show());
    for (const name of ["queue", "tabs"]) chat.addEventListener(name, () => this.#update());
    globalThis.addEventListener("pagehide", () => this.#takeBack());
    this.#listenForFiles();
    this.#update();
  }

  focus() {
    this.#text.focus();
  }

  /** Send `text` at once. */
  submit(text) {
    this.#text.value = text;
    this.#submit();
  }

  #listenForFiles() {
    const picker = byId("files");
    byId("attach").addEventListener("click", () => picker.click());
    picker.addEventListener("change", async () => {
      await this.#attach([...picker.files]);
      picker.value = "";
    });
    this.#text.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      const text = event.clipboardData.getData("text/plain");
      if (files.length && !text) this.#attach(files);
      else if (text.length > LONG_PASTE_CHARACTERS) this.#add([{ name: this.#pasteName(), text }]);
      else return;
      event.preventDefault();
    });
    // Without these a dropped file replaces the page.
    const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
    document.addEventListener("dragover", (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget === null && document.body.classList.remove("dropping"));
    document.addEventListener("drop", (event) => {
      document.body.classList.remove("dropping");
      if (!carriesFiles(event)) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) this.#attach([...event.dataTransfer.files]);
    });
  }

  #pasteName() {
    const number = this.#files.filter(({ name }) => name.startsWith("pasted")).length + 1;
    return number === 1 ? "pasted.txt" : `pasted-${number}.txt`;
  }

  async #attach(list) {
    const conversation = this.#chat.current;
    this.#reading += list.length;
    this.#problem.textContent = "";
    this.#update();
    const { files, notes } = await readFiles(list);
    this.#reading -= list.length;
    if (conversation === this.#chat.current) return this.#add(files, notes);
    const draft = draftOf(conversation);
    keepDraft(conversation, { text: draft.text, files: [...draft.files, ...files] });
    this.#update();
  }

  #add(files, notes = []) {
    this.#files = [...this.#files, ...files];
    this.#problem.textContent = notes.join(" ");
    announce([...files.map(({ name }) => `Attached ${name}`), ...notes].join(" "));
    this.#changed();
    this.focus();
  }

  #submit() {
    const text = this.#text.value.trim();
    const files = this.#files;
    if (this.#reading || (!text && !files.length)) return;
    const { active, queued, isBusy } = this.#chat;
    if (isBusy && !active) return;
    if (active && (queued || active.conversation !== this.#chat.current)) return; // the draft stays
    this.#text.value = "";
    this.#files = [];
    keepDraft(this.#chat.current, { text: "", files: [] });
    if (active) {
      this.#chat.queue(text, files);
      announce("Your message is sent after this reply.");
    } else {
      this.#chat.send(text, { files });
    }
    this.#update();
  }

  #turned(ended) {
    const stopping = document.activeElement === this.#stop;
    if (ended?.message.error) this.#takeBack();
    this.#update();
    if (ended && stopping) this.focus(); // the button that had the focus is gone
    else if (!ended && document.activeElement === document.body) this.#stop.focus();
  }

  /** Make the queued message a draft again: after a failed reply, and when the page goes away. */
  #takeBack() {
    if (!this.#chat.queued) return;
    const { conversation, text, files } = this.#chat.unqueue();
    const draft = conversation === this.#conversation ? { text: this.#text.value, files: this.#files } : draftOf(conversation);
    keepDraft(conversation, { text: [text, draft.text].filter(Boolean).join("\n\n"), files: [...files, ...draft.files] });
    if (conversation === this.#conversation) this.#load();
  }

  /** Another conversation may be shown: show its draft. */
  #show() {
    if (this.#conversation !== this.#chat.current) this.#load();
    this.#update();
  }

  #load() {
    this.#conversation = this.#chat.current;
    const { text, files } = draftOf(this.#conversation);
    this.#text.value = text;
    this.#files = files;
    this.#problem.textContent = "";
    this.#update();
  }

  #changed() {
    keepDraft(this.#chat.current, { text: this.#text.value, files: this.#files });
    this.#update();
  }

  #update() {
    const { active, current, queued, isBusy } = this.#chat;
    const written = !this.#reading && (this.#text.value.trim() || this.#files.length);
    this.#stop.hidden = !active;
    this.#send.hidden = Boolean(active);
    this.#send.disabled = !written || isBusy;
    this.#later.hidden = !(active && written && !queued && active.conversation === current);
    if (active && active.conversation !== current) this.#elsewhere.textContent = `A reply is coming in “${active.conversation.title}”.`;
    else this.#elsewhere.textContent = isBusy && !active ? "A reply is coming in another tab." : "";
    document.body.classList.toggle("replying", isBusy);
    this.#showFiles();
    this.#showQueued(queued?.conversation === current ? queued : null);
    this.#fit();
  }

  #showFiles() {
    const reading = this.#reading ? [element("li", { class: "chip reading" }, icon("file"), this.#reading === 1 ? "Reading a file…" : `Reading ${this.#reading} files…`)] : [];
    this.#attached.replaceChildren(...this.#files.map((file) => this.#chip(file)), ...reading);
    this.#attached.hidden = !this.#attached.children.length;
  }

  #chip(file) {
    const remove = () => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#changed();
      this.focus();
    };
    const name = element("span", { class: "chip-name", dir: "auto" }, file.name);
    return element("li", { class: "chip" }, icon("file"), name, element("small", {}, tokensText(file.text)), iconButton("close", `Remove ${file.name}`, remove));
  }

  #showQueued(queued) {
    this.#queued.hidden = !queued;
    if (!queued) return this.#queued.replaceChildren();
    const text = element("span", { class: "chip-name", dir: "auto" }, queued.text || queued.files[0].name);
    const back = iconButton("edit", "Edit the queued message", () => {
      this.#takeBack();
      this.focus();
    });
    this.#queued.replaceChildren(element("small", {}, "Next:"), text, back);
  }

  /** As high as the text, up to what the style allows. */
  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}
