import { byId, element } from "./dom.js";
import { isOperator } from "./operator.js";
import { modelFacts } from "./server-state.js";
import { WaitingView } from "./waiting-view.js";

const SUGGESTIONS = ["What can you do?", "Write a short poem about the sea.", "Write a Python function that adds two numbers."];
const TEXTS = {
  unknown: "",
  starting: "The model is starting. You can already write your message.",
  ready: "",
  failed: "The model is not available at the moment.",
  unreachable: "The server could not be reached. Are you online?",
};

/** The empty page: the model, its state, a cold start that is under way, and messages to begin with. */
export function welcome(chat, server, send) {
  let waiting = null;
  const update = () => {
    const detail = server.state === "failed" && isOperator() ? server.detail : null;
    byId("welcome-model").textContent = modelFacts(server).join("\u00a0· ");
    byId("welcome-state").textContent = [TEXTS[server.state], detail].filter(Boolean).join(" ");
    if (server.state !== "starting" || chat.current.leaf !== null) {
      waiting?.element.remove();
      waiting = null;
      return;
    }
    if (!waiting) {
      waiting = new WaitingView(server.began);
      byId("welcome-wait").append(waiting.element);
    }
    if (server.progress) waiting.update(server.progress);
  };
  byId("suggestions").append(
    ...SUGGESTIONS.map((text) => element("li", {}, element("button", { type: "button", class: "button suggestion", click: () => send(text) }, text))),
  );
  server.addEventListener("change", update);
  chat.addEventListener("thread", update);
}
