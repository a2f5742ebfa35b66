// The tree of messages, and what requests and files contain of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { withFiles } from "../../function/web/page/scripts/attachments.js";
import { addMessage, branch, contains, leaveOutOlder, newConversation, requestMessages, settle, showVersion, versions } from "../../function/web/page/scripts/conversation.js";
import { asFile, asMarkdown, asRequest, fileName } from "../../function/web/page/scripts/export.js";
import { readConversations } from "../../function/web/page/scripts/import.js";

/** Return a conversation of the texts, by turns the user's and the model's. */
function conversation(...texts) {
  const made = newConversation({});
  texts.forEach((text, index) => addMessage(made, made.leaf, index % 2 ? "assistant" : "user", text));
  return made;
}

const asked = (made, id = made.leaf) => requestMessages(made, made.messages[id]).map(({ role, content }) => `${role}: ${content}`);

test("a request has the system prompt and the branch", () => {
  const made = conversation("One?", "One.", "Two?");
  made.settings.system = " Be short. ";
  assert.deepEqual(asked(made), ["system: Be short.", "user: One?", "assistant: One.", "user: Two?"]);
});

test("a request that continues a reply ends with it", () => {
  const made = conversation("Tell me", "Once upon");
  assert.deepEqual(asked(made), ["user: Tell me", "assistant: Once upon"]);
});

test("a rejected question is left out, an unanswered one joins the next", () => {
  const made = conversation("Too long", "", "Hello?");
  made.messages["1"].error = { status: 400 };
  assert.deepEqual(asked(made), ["user: Hello?"]);
  made.messages["1"].error = { status: 503 };
  assert.deepEqual(asked(made), ["user: Too long\n\nHello?"]);
});

test("a reply whose continuation was rejected stays with its question", () => {
  const made = conversation("Tell me", "Once upon", "And then?");
  made.messages["1"].error = { status: 400 };
  assert.deepEqual(asked(made), ["user: Tell me", "assistant: Once upon", "user: And then?"]);
});

test("the older half is left out", () => {
  const made = conversation("1", "a", "2", "b", "3", "c", "4", "");
  leaveOutOlder(made, made.messages["7"]);
  assert.deepEqual(asked(made, "6"), ["user: 3", "assistant: c", "user: 4"]);
});

test("an edit begins a branch, and versions lead back", () => {
  const made = conversation("One?", "One.", "Two?", "Two.");
  addMessage(made, null, "user", "Other?");
  assert.deepEqual(branch(made).map(({ content }) => content), ["Other?"]);
  assert.deepEqual(versions(made, made.messages["0"]).map(({ id }) => id), ["0", "4"]);
  showVersion(made, made.messages["0"]);
  assert.equal(made.leaf, "3");
});

test("a reply that was cut off by closing the page has an error", () => {
  const made = conversation("One?", "On");
  made.messages["1"].streaming = true;
  assert.equal(settle(made).messages["1"].error.kind, "closed");
});

test("search finds titles and contents in any case", () => {
  const made = conversation("The SEA?", "Blue.");
  assert.deepEqual(["sea", "BLUE", "red"].map((text) => contains(made, text)), [true, true, false]);
});

test("the title is the first line, shortened between characters", () => {
  assert.equal(conversation("🛶".repeat(70)).title, `${"🛶".repeat(59)}…`);
  assert.equal(conversation("\n  a \t b\nc").title, "a b");
});

test("files are in fences that their text cannot close", () => {
  assert.equal(withFiles("Why?", [{ name: "a\nb", text: "````\n" }]), "File: a b\n`````\n````\n`````\n\nWhy?");
});

test("an export comes back with thoughts, calls, files, settings and versions", () => {
  const made = newConversation({ system: "Be short.", temperature: 0.5, seed: 7 });
  const question = addMessage(made, null, "user", "Weather?", [{ name: "<b>.txt", text: "sun" }]);
  const stats = { firstToken: 0.5, speed: 20, tokens: 12, cold: true, usage: { prompt_tokens: 20, completion_tokens: 12 } };
  const receipt = { request_id: "r", seconds: { queued: 0, prefill: 0.1, total: 0.6 }, tokens: { prompt: 20, cached: 3, completion: 12, reasoning: 4 }, model: { name: "m" } };
  const reply = { thoughts: "Hm.", thoughtSeconds: 12, calls: [{ name: "weather", arguments: '{"city":"Paris"}' }], finish: "tool_calls", model: "m", stats: { ...stats, receipt } };
  Object.assign(addMessage(made, question.id, "assistant", ""), reply);
  Object.assign(addMessage(made, question.id, "assistant", "Sunny."), { finish: "stop", leftOut: true });
  Object.assign(made, { title: "Sun", named: true });
  const [read] = readConversations(asFile([made]));
  assert.notEqual(read.id, made.id);
  assert.deepEqual(JSON.parse(JSON.stringify({ ...read, id: 0 })), JSON.parse(JSON.stringify({ ...made, id: 0 })));
});

test("the request of an export can be sent and read back", () => {
  const made = conversation("Hi", "Hello.");
  Object.assign(made.settings, { system: "Be short.", top_p: 0.5 });
  const body = JSON.parse(asRequest(made));
  assert.deepEqual(body, { messages: [{ role: "system", content: "Be short." }, { role: "user", content: "Hi" }, { role: "assistant", content: "Hello." }], top_p: 0.5 });
  const [read] = readConversations(JSON.stringify(body));
  assert.deepEqual(read.settings, { system: "Be short.", top_p: 0.5 });
  assert.equal(branch(read).length, 2);
});

test("an export for reading has no thoughts", () => {
  const made = conversation("Hi", "Hello.");
  made.messages["1"].thoughts = "Hm.";
  assert.equal(asMarkdown(made), "# Hi\n\n## You\n\nHi\n\n## Model\n\nHello.\n");
  assert.equal(fileName("Où est… l'été?", "md"), "ou-est-l-ete.md".replace("ou", "ou").replace("ete", "ete"));
});
