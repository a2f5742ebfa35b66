import { branch, requestMessages, TITLE_LENGTH } from "./conversation.js";
import { element } from "./dom.js";
import { FORMAT } from "./import.js";
import { samplingFields } from "./sampling.js";

/** Return the conversation as Markdown, for reading. */
export function asMarkdown(conversation) {
  const parts = [`# ${conversation.title}`];
  if (conversation.settings.system) parts.push(`> ${conversation.settings.system.trim().replaceAll("\n", "\n> ")}`);
  for (const { role, content, model } of branch(conversation)) {
    if (content) parts.push(`## ${role === "user" ? "You" : model ?? "Model"}`, content.trim());
  }
  return `${parts.join("\n\n")}\n`;
}

/** The conversation with all its versions, which `readConversations` takes back. */
export function asFile(conversations) {
  return `${JSON.stringify({ format: FORMAT, version: 1, conversations }, null, 2)}\n`;
}

/** The conversation as a request body that /v1/chat/completions takes. */
export function asRequest(conversation) {
  const end = conversation.messages[conversation.leaf];
  const body = { messages: requestMessages(conversation, end), ...samplingFields(conversation.settings) };
  return `${JSON.stringify(body, null, 2)}\n`;
}

/** Download `text` as a file. */
export function download(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A file name made of the conversation's title. */
export function fileName(title, ending) {
  const words = title.normalize("NFKD").replaceAll(/[\u0300-\u036f]/g, "").match(/[\p{L}\p{M}\p{N}]+/gu) ?? ["conversation"];
  return `${words.join("-").toLowerCase().slice(0, TITLE_LENGTH)}.${ending}`;
}
