import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { byId } from "./dom.js";
import { header } from "./header.js";
import { SettingsDialog } from "./settings-dialog.js";
import { Sidebar } from "./sidebar.js";
import { themeButton } from "./theme-button.js";
import { ThreadView } from "./thread-view.js";

const chat = new Chat();
await chat.open();
themeButton();
header(chat);
new Sidebar(chat);
new ThreadView(chat);
const composer = new Composer(chat);
const settings = new SettingsDialog(chat);
byId("settings").addEventListener("click", () => settings.open());
chat.show(chat.current);
if (matchMedia("(pointer: fine)").matches) composer.focus();
document.addEventListener("visibilitychange", () => {
  if (document.hidden && chat.active) chat.save(chat.active.conversation);
});
document.body.classList.add("ready");
