// Vercel's AI SDK, with its default for OpenAI (the Responses API), with chat, and with openai-compatible:
// node ai_client.mjs BASE_URL

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, isStepCount, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { assert, rejects, run } from "./checks.mjs";

const baseURL = `${process.argv[2]}/v1`;
const openai = createOpenAI({ baseURL, apiKey: "none" });
const compatible = createOpenAICompatible({
  name: "local", baseURL, apiKey: "none", includeUsage: true, supportsStructuredOutputs: true,
});
const models = [openai("any"), openai.chat("any"), compatible("any")];
const Verdict = z.object({ sure: z.boolean(), grade: z.enum(["good", "bad"]) });
const long = "word ".repeat(20000);
const stopAfter = (isStepCount ?? stepCountIs)(3);

async function cold_start() {
  const { textStream } = streamText({ model: models[0], prompt: "Hello!", maxRetries: 0 });
  let text = "";
  for await (const piece of textStream) text += piece;
  assert(text.startsWith("Hello!"), text);
}

async function chat() {
  for (const model of models) {
    const { text } = await generateText({ model, prompt: "Hello!", maxRetries: 0 });
    assert(text.startsWith("Hello!"), text);
  }
}

async function stream() {
  for (const model of models) {
    const result = streamText({ model, prompt: "Hello!", maxRetries: 0 });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert(text.startsWith("Hello!"), text);
    assert((await result.usage).outputTokens > 0, "no usage");
  }
}

async function tools() {
  const get_weather = tool({
    description: "Return the weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `sunny in ${city}`,
  });
  for (const model of models) {
    const { text } = await generateText({
      model, prompt: "Weather in Paris?", tools: { get_weather }, stopWhen: stopAfter, maxRetries: 0,
    });
    assert(text.includes("sunny"), text);
  }
}

async function structured() {
  for (const model of models) {
    const { output } = await generateText({
      model, prompt: "Hello!", output: Output.object({ schema: Verdict }), maxRetries: 0,
    });
    assert(Verdict.parse(output));
  }
}

async function errors() {
  for (const model of models) {
    await rejects(
      () => generateText({ model, prompt: long, maxRetries: 0 }),
      (error) => APICallError.isInstance(error) && error.statusCode === 400 && !error.isRetryable,
    );
  }
}

await run([cold_start, chat, stream, tools, structured, errors]);
