import { byId } from "./dom.js";
import { prefer, preference } from "./preferences.js";

/** The header above the thread: the conversation's title and its model. */
export function header(chat) {
  const update = () => {
    const { title } = chat.current;
    const begun = chat.current.leaf !== null;
    byId("title").textContent = title;
    byId("conversation-menu").hidden = !begun;
    document.title = begun ? `${title} · Chat` : "Chat";
  };
  const showModel = (model) => {
    byId("model").textContent = model ?? "";
  };
  const showStorage = () => {
    byId("not-kept").hidden = chat.keeps;
  };
  chat.addEventListener("list", update);
  chat.addEventListener("storage", showStorage);
  chat.addEventListener("reply", ({ detail }) => {
    const model = detail?.message.model;
    if (!model) return;
    prefer("model", model);
    showModel(model);
  });
  showStorage();
  showModel(preference("model"));
}
