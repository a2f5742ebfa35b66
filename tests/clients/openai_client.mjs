// OpenAI's client for Node: node openai_client.mjs BASE_URL

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";
import { assert, rejects, run } from "./checks.mjs";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "none", maxRetries: 0, timeout: 120000 });
const user = { role: "user", content: "Hello!" };
const ask = { model: "any", messages: [user] };
const long = { model: "any", messages: [{ role: "user", content: "word ".repeat(20000) }] };
const Verdict = z.object({ sure: z.boolean(), grade: z.enum(["good", "bad"]) });
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tool = { type: "function", function: { name: "get_weather", parameters } };

async function cold_start() {
  let text = "";
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
  }
  assert(text.startsWith("Hello!"), text);
}

async function chat() {
  const reply = await client.chat.completions.create({ ...ask, verbosity: "low", reasoning_effort: "low", n: 2 });
  assert(reply.choices.length === 2);
  const texts = await client.completions.create({ model: "any", prompt: ["one\n", "two\n"], max_tokens: 4 });
  assert(texts.choices.length === 2);
}

async function stream() {
  const runner = client.chat.completions.stream({ ...ask, stream_options: { include_usage: true } });
  const final = await runner.finalChatCompletion();
  assert(final.choices[0].message.content.startsWith("Hello!"));
  assert(final.usage.total_tokens > 0);
}

async function tools() {
  const runnable = {
    type: "function",
    function: { name: "get_weather", parameters, parse: JSON.parse, function: ({ city }) => `sunny in ${city}` },
  };
  for (const streamed of [false, true]) {
    const runner = client.chat.completions.runTools({ ...ask, tools: [runnable], stream: streamed });
    assert((await runner.finalContent()).includes("sunny"));
  }
  const choice = { type: "function", function: { name: "get_weather" } };
  const forced = await client.chat.completions.create({ ...ask, tools: [tool], tool_choice: choice, max_tokens: 300 });
  assert(forced.choices[0].message.tool_calls.length === 1);
}

async function structured() {
  const format = zodResponseFormat(Verdict, "verdict");
  const whole = await client.chat.completions.parse({ ...ask, response_format: format });
  assert(Verdict.parse(whole.choices[0].message.parsed));
  const streamed = await client.chat.completions.stream({ ...ask, response_format: format }).finalChatCompletion();
  assert(Verdict.parse(streamed.choices[0].message.parsed));
}

async function errors() {
  await rejects(
    () => client.chat.completions.create(long),
    (error) => error instanceof OpenAI.BadRequestError && error.code === "context_length_exceeded",
  );
  await rejects(
    () => client.chat.completions.create({ ...long, stream: true }),
    (error) => error instanceof OpenAI.BadRequestError,
  );
}

async function responses() {
  const reply = await client.responses.create({ model: "any", input: "Hello!" });
  assert(reply.output_text.startsWith("Hello!"), reply.output_text);
}

await run([cold_start, chat, stream, tools, structured, errors, responses]);
