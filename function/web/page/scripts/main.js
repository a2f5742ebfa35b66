import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { contextGauge } from "./context-gauge.js";
import { byId } from "./dom.js";
import { header } from "./header.js";
import { installable } from "./manifest.js";
import { ServerState } from "./server-state.js";
import { SettingsDialog } from "./settings-dialog.js";
import { keyboardShortcuts } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { themeButton } from "./theme-button.js";
import { ThreadView } from "./thread-view.js";
import { welcome } from "./welcome.js";

const chat = new Chat();
await chat.open();
const server = new ServerState(chat);
themeButton();
header(chat, server);
const sidebar = new Sidebar(chat);
new ThreadView(chat);
const composer = new Composer(chat);
welcome(chat, server, (text) => composer.submit(text));
contextGauge(chat, server);
const settings = new SettingsDialog(chat);
for (const id of ["settings", "system-chip"]) byId(id).addEventListener("click", () => settings.open());
keyboardShortcuts([
  { keys: "Enter", label: "Send the message, or queue it during a reply" },
  { keys: "Shift+Enter", label: "New line" },
  { keys: "Esc", label: "Stop the reply" },
  { keys: "↑", label: "Edit the last message, from an empty box" },
  { keys: "Mod+K", label: "Search conversations", run: () => sidebar.search() },
  { keys: "Mod+Shift+O", label: "New conversation", run: () => sidebar.begin() },
  { keys: "Mod+B", label: "Show or hide conversations", run: () => sidebar.toggle() },
]);
const messageBox = byId("message");
messageBox.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowUp" || messageBox.value) return;
  const edit = /** @type {HTMLElement} */ ([...document.querySelectorAll(".question .edit-message")].at(-1));
  if (!edit) return;
  event.preventDefault();
  edit.click();
});
chat.show(chat.current);
if (matchMedia("(pointer: fine)").matches) composer.focus();
document.addEventListener("visibilitychange", () => {
  if (document.hidden && chat.active) chat.save(chat.active.conversation);
});
installable();
document.body.classList.add("ready");
await server.open();
