import { branch } from "./conversation.js";
import { byId } from "./dom.js";

const NEARLY_FULL = 0.8; // share of the context

/** The share of the context that the shown conversation takes, from the counts of its last reply. */
export function contextGauge(chat, server) {
  const gauge = byId("gauge");
  const update = () => {
    const usage = branch(chat.current).findLast(({ stats, leftOut }) => !leftOut && stats?.usage?.prompt_tokens)?.stats.usage;
    gauge.hidden = !usage;
    if (!usage) return;
    const used = usage.prompt_tokens + usage.completion_tokens;
    const { context } = server;
    const share = context ? Math.min(1, used / context) : 0;
    byId("gauge-text").textContent = context ? `${count(used)} of ${count(context)} tokens` : `${count(used)} tokens`;
    gauge.classList.toggle("nearly-full", share >= NEARLY_FULL);
    gauge.classList.toggle("unmeasured", !context);
    byId("gauge-fill").style.setProperty("--done", String(share));
    gauge.title = context ? `The conversation takes ${Math.round(share * 100)}% of what the model can read` : "The length of the conversation";
  };
  chat.addEventListener("thread", update);
  chat.addEventListener("reply", update);
  server.addEventListener("change", update);
}

function count(tokens) {
  return tokens.toLocaleString("en");
}
