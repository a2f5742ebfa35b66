import { byId } from "./dom.js";
import { modelFacts } from "./server-state.js";

const STATES = {
  unknown: "The state of the model is not known yet",
  starting: "The model is starting",
  ready: "The model is ready",
  failed: "The model is not available",
  unreachable: "The server cannot be reached",
};

/** The line above the thread: the conversation, the model and its state. */
export function header(chat, server) {
  const update = () => {
    const { title, settings } = chat.current;
    const begun = chat.current.leaf !== null;
    byId("title").textContent = title;
    byId("conversation-menu").hidden = !begun;
    byId("system-chip").hidden = !settings.system;
    byId("system-chip-text").textContent = settings.system ?? "";
    document.title = begun ? `${title} · Chat` : "Chat";
  };
  const showModel = () => {
    byId("model").textContent = server.model ?? "";
    byId("model").title = modelFacts(server).join(" · ");
    byId("state").dataset.state = server.state;
    byId("state").title = STATES[server.state];
    byId("state").setAttribute("aria-label", STATES[server.state]);
  };
  const showStorage = () => {
    byId("not-kept").hidden = chat.keeps;
  };
  chat.addEventListener("list", update);
  chat.addEventListener("storage", showStorage);
  server.addEventListener("change", showModel);
  showStorage();
  showModel();
}
