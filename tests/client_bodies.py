# ruff: noqa: E501
"""Request bodies as clients' documentation writes them: their endpoint, and the field that a rejection names, if any.

A body is rejected only where a field would change the reply and cannot be honoured.
"""

from dataclasses import dataclass
from typing import Any

CHAT, TEXT, LLAMA = "/v1/chat/completions", "/v1/completions", "/completion"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
USER: dict[str, Any] = {"role": "user", "content": "Hello!"}
SYSTEM: dict[str, Any] = {"role": "system", "content": "You are a helpful assistant."}
CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "parameters": CITY}}
STRICT: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather",
        "strict": True,
        "parameters": {**CITY, "additionalProperties": False},
    },
}
FLAT: dict[str, Any] = {"type": "function", "name": "get_weather", "parameters": CITY, "strict": False}
ANTHROPIC_TOOL: dict[str, Any] = {"name": "get_weather", "description": "Weather", "input_schema": CITY}
CALL: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
}
CALLED: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: dict[str, Any] = {"role": "tool", "tool_call_id": "call_1", "content": "21"}
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 3}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
IMAGE = "data:image/png;base64,iVBORw0KGgo="


@dataclass(frozen=True, slots=True)
class ClientBody:
    """A body of a client; ``rejected`` is the field that a 400 names."""

    client: str
    path: str
    body: dict[str, Any]
    rejected: str | None = None


def chat(client: str, rejected: str | None = None, /, **fields: Any) -> ClientBody:
    return ClientBody(client, CHAT, {"model": "gpt-4o-mini", "messages": [USER], **fields}, rejected)


def text(client: str, rejected: str | None = None, /, **fields: Any) -> ClientBody:
    return ClientBody(client, TEXT, {"model": "gpt-3.5-turbo-instruct", "prompt": "Once", **fields}, rejected)


def llama(client: str, rejected: str | None = None, /, **fields: Any) -> ClientBody:
    return ClientBody(client, LLAMA, {"prompt": "Once", **fields}, rejected)


def response(client: str, rejected: str | None = None, /, **fields: Any) -> ClientBody:
    return ClientBody(client, RESPONSES, {"model": "gpt-4o", "input": "Hello!", **fields}, rejected)


def message(client: str, rejected: str | None = None, /, **fields: Any) -> ClientBody:
    body = {"model": "claude-sonnet-4-5", "max_tokens": 8, "messages": [USER], **fields}
    return ClientBody(client, MESSAGES, body, rejected)


def schema(name: str = "person", **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": PERSON, **more}}


BODIES: tuple[ClientBody, ...] = (
    # OpenAI: the reference of chat completions, and the SDKs.
    chat("openai: default", messages=[{"role": "developer", "content": "Be helpful."}, USER]),
    chat("openai: streaming", stream=True, stream_options={"include_usage": True}),
    chat("openai: obfuscation off", stream=True, stream_options={"include_obfuscation": False}),
    chat("openai: functions", tools=[TOOL], tool_choice="auto"),
    chat("openai: named function", tools=[TOOL], tool_choice={"type": "function", "function": {"name": "get_weather"}}),
    chat("openai: required", tools=[STRICT], tool_choice="required", parallel_tool_calls=False),
    chat(
        "openai: allowed tools",
        tools=[TOOL],
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}},
    ),
    chat("openai: custom tool", tools=[TOOL, {"type": "custom", "custom": {"name": "code", "format": {"type": "text"}}}]),
    chat("openai: logprobs", logprobs=True, top_logprobs=2),
    chat("openai: n", n=2),
    chat("openai: n too large", "n", n=100),
    chat("openai: json mode", response_format={"type": "json_object"}),
    chat("openai: structured outputs", response_format=schema(strict=True)),
    chat("openai: text format", response_format={"type": "text"}),
    chat("openai: metadata", store=True, metadata={"topic": "demo"}, user="user_123", safety_identifier="s"),
    chat("openai: tiers", service_tier="auto", prompt_cache_key="k", prompt_cache_retention="24h"),
    chat("openai: predicted outputs", prediction={"type": "content", "content": "class User {}"}),
    chat("openai: verbosity", verbosity="low", reasoning_effort="minimal"),
    chat("openai: penalties", frequency_penalty=0.5, presence_penalty=0.5, logit_bias={"42": -100}),
    chat("openai: seed and stop", seed=1234, stop=["\n", "User:"], temperature=0.2, top_p=0.1),
    chat("openai: limits", max_completion_tokens=100),
    chat("openai: old limit", max_tokens=100),
    chat("openai: modalities", modalities=["text"]),
    chat("openai: audio", "modalities", modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}),
    chat("openai: web search", "web_search_options", web_search_options={}),
    chat("openai: legacy functions", "functions", functions=[{"name": "f", "parameters": CITY}], function_call="auto"),
    chat("openai: image", "messages.0.content", messages=[{"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": IMAGE}}]}]),
    chat("openai: text parts", messages=[{"role": "user", "content": [{"type": "text", "text": "Hello!"}]}]),
    chat("openai: tool result", messages=[USER, CALLED, RESULT], tools=[TOOL]),
    chat("openai: tool result parts", messages=[USER, CALLED, RESULT | {"content": [{"type": "text", "text": "21"}]}], tools=[TOOL]),
    chat("openai: reply back", messages=[USER, {"role": "assistant", "content": "Hi", "refusal": None, "annotations": [], "audio": None, "function_call": None, "tool_calls": None}, USER]),
    chat("openai: refusal back", messages=[USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, USER]),
    chat("openai: names", messages=[SYSTEM | {"name": "rules"}, USER | {"name": "ann"}]),
    chat("openai: nulls", temperature=None, top_p=None, n=None, stop=None, max_tokens=None, logit_bias=None, tools=None, tool_choice=None, response_format=None, seed=None),
    text("openai: default", max_tokens=7, temperature=0),
    text("openai: several prompts", prompt=["One", "Two"], n=2, max_tokens=2),
    text("openai: tokens", prompt=[1, 2, 3], max_tokens=2),
    text("openai: several tokens", prompt=[[1, 2], [3]], max_tokens=2),
    text("openai: echo", echo=True, logprobs=2, max_tokens=1),
    text("openai: best of one", best_of=1, n=1, suffix=None, stream=False),
    text("openai: suffix", "suffix", suffix=" the end."),
    text("openai: best of three", "best_of", best_of=3),
    response("openai: text", instructions="Be brief."),
    response("openai: items", input=[{"role": "user", "content": [{"type": "input_text", "text": "Hello!"}]}]),
    response("openai: tools", tools=[FLAT, {"type": "web_search"}], tool_choice="auto"),
    response("openai: call output", input=[USER, {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": "21"}], tools=[FLAT]),
    response("openai: format", text={"format": {"type": "json_schema", "name": "person", "schema": PERSON, "strict": True}}),
    response("openai: reasoning", reasoning={"effort": "none", "summary": "auto"}, include=["reasoning.encrypted_content"], store=False),
    response("openai: streaming", stream=True, max_output_tokens=16, truncation="disabled", metadata={"a": "b"}),
    response("openai: state", "previous_response_id", previous_response_id="resp_1"),
    # Anthropic.
    message("anthropic: default"),
    message("anthropic: system", system="Be brief.", temperature=1.0, top_k=5, top_p=0.7, stop_sequences=["END"]),
    message("anthropic: caching", system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]),
    message("anthropic: tools", tools=[ANTHROPIC_TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
    message("anthropic: server tools", tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}]),
    message(
        "anthropic: tool result",
        messages=[
            USER,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "get_weather", "input": {"city": "Paris"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "21"}]},
        ],
        tools=[ANTHROPIC_TOOL],
    ),
    message("anthropic: prefill", messages=[USER, {"role": "assistant", "content": "The answer is ("}]),
    message("anthropic: streaming", stream=True, metadata={"user_id": "u"}, service_tier="auto"),
    message("anthropic: context editing", context_management={"edits": [{"type": "clear_tool_uses_20250919"}]}),
    # Vercel's AI SDK.
    chat("vercel: text", temperature=0, stream=True, stream_options={"include_usage": True}),
    chat("vercel: options", reasoning_effort="low", verbosity="medium", parallel_tool_calls=True, user="u", metadata={}),
    chat("vercel: tools", tools=[STRICT], tool_choice="auto", messages=[USER, CALLED | {"content": ""}, RESULT]),
    chat("vercel: object", response_format=schema("response", strict=True, description="A person")),
    chat("vercel: compatible", top_p=1, frequency_penalty=0, presence_penalty=0, seed=0, stop=[]),
    # LangChain.
    chat("langchain: invoke", stream=False, temperature=0.7, n=1),
    chat("langchain: bind_tools", tools=[TOOL], parallel_tool_calls=None, strict=None),
    chat("langchain: stream", stream=True, stream_options={"include_usage": True}, max_retries=2, timeout=None),
    chat("langchain: content blocks", messages=[USER | {"content": [{"type": "text", "text": "a"}]}]),
    chat("langchain: function calling", tools=[TOOL], tool_choice={"type": "function", "function": {"name": "get_weather"}}, parallel_tool_calls=False),
    text("langchain: batch", prompt=["One", "Two"], max_tokens=4, temperature=0.7, top_p=1, frequency_penalty=0, presence_penalty=0, n=1, logit_bias={}),
    # LiteLLM.
    chat("litellm: cache_control", messages=[SYSTEM | {"content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]}, USER]),
    chat("litellm: thinking back", messages=[USER, {"role": "assistant", "content": "a", "reasoning_content": "t", "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}], "provider_specific_fields": {}}, USER]),
    chat("litellm: extra", extra_body={"a": 1}, num_retries=2, drop_params=True, metadata={"generation_name": "g"}),
    chat("litellm: tool call index", messages=[USER, CALLED | {"tool_calls": [CALL | {"index": 0}], "function_call": None}, RESULT | {"name": "get_weather"}]),
    # instructor.
    chat("instructor: tools", tools=[TOOL], tool_choice={"type": "function", "function": {"name": "get_weather"}}),
    chat("instructor: json schema", response_format=schema("Person")),
    chat("instructor: json", response_format={"type": "json_object"}, messages=[SYSTEM, USER]),
    # Pydantic AI.
    chat("pydantic-ai: output tool", tools=[STRICT], tool_choice="required", stream=False),
    chat("pydantic-ai: native output", response_format=schema("Verdict", strict=True), tools=[], parallel_tool_calls=None),
    chat("pydantic-ai: settings", max_completion_tokens=64, logit_bias={"42": 1}, seed=1, openai_reasoning_effort="low"),
    # OpenAI Agents.
    chat("agents: chat", tools=[STRICT], parallel_tool_calls=False, store=False, reasoning_effort="low", verbosity="low"),
    response("agents: default", input=[USER], tools=[FLAT | {"strict": True, "parameters": {**CITY, "additionalProperties": False}}], tool_choice="auto", include=[], parallel_tool_calls=True),
    # Open WebUI, LibreChat, n8n, Dify, Flowise, AnythingLLM, SillyTavern, Continue, Cline, Zed.
    chat("open-webui", stream=True, chat_id="c", id="m", session_id="s", background_tasks={"title_generation": True}, features={}, variables={}, model_item={}),
    chat("open-webui: title", stream=False, max_completion_tokens=1000, metadata={"task": "title_generation"}),
    chat("librechat", stream=True, user="u", stop=[], presence_penalty=0, frequency_penalty=0, top_p=1),
    chat("n8n", max_tokens=-1, temperature=0.7, top_p=1, frequency_penalty=0, presence_penalty=0, timeout=60000, max_retries=2),
    chat("dify", response_format={"type": "text"}, stop=[], stream=True, user="abc-123"),
    chat("flowise", temperature=0.9, streaming=True, max_tokens=256, cache=None),
    chat("anything-llm", temperature=0.7, stream=True, messages=[SYSTEM, USER]),
    chat("sillytavern", stop=["", "\n\n"], logit_bias={}, include_reasoning=False, min_p=0, top_a=0, repetition_penalty=1, use_fallback=False),
    chat("continue", prediction={"type": "content", "content": "x"}, max_tokens=100, stop=["\n\n"], stream=True),
    chat("cline", stream=True, stream_options={"include_usage": True}, temperature=0, messages=[SYSTEM, {"role": "user", "content": [{"type": "text", "text": "<task>x</task>"}]}]),
    chat("zed", stream=True, max_tokens=None, tools=[TOOL], tool_choice="auto", parallel_tool_calls=False, stop=[]),
    chat("aider", temperature=0, stream=True, extra_headers=None),
    chat("continue: autocomplete", max_tokens=20, raw=True, keep_alive=1800),
    # Coding agents.
    chat("codex", tools=[TOOL, {"type": "local_shell"}, {"type": "web_search"}], stream=True, tool_choice="auto"),
    chat("qwen-code", stream=True, max_tokens=2000, temperature=0, top_p=1, metadata={"sessionId": "s", "promptId": "p"}),
    chat("opencode", max_tokens=32000, stream=True, stream_options={"include_usage": True}, top_p=1),
    chat("crush", stream=True, max_completion_tokens=4096, reasoning_effort="none", tools=[TOOL]),
    response("codex: responses", instructions="i", input=[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}], tools=[FLAT, {"type": "local_shell"}], tool_choice="auto", parallel_tool_calls=False, reasoning=None, store=False, stream=True, include=[], prompt_cache_key="k"),
    message("claude-code", max_tokens=32000, stream=True, system=[{"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}}], tools=[ANTHROPIC_TOOL], metadata={"user_id": "u"}, temperature=1),
    # OpenRouter, Azure, Gemini, Mistral, Groq, DeepSeek: fields of other providers.
    chat("openrouter", usage={"include": True}, provider={"order": ["x"]}, plugins=[], transforms=[], route="fallback", models=["a"], include_reasoning=True),
    chat("openrouter: reasoning back", messages=[USER, {"role": "assistant", "content": "a", "reasoning": "r", "reasoning_details": [{"type": "reasoning.text", "text": "r"}]}, USER]),
    chat("azure", data_sources=[], user_security_context={}),
    chat("gemini: thought signature", messages=[USER, CALLED | {"tool_calls": [CALL | {"extra_content": {"google": {"thought_signature": "s"}}}]}, RESULT]),
    chat("mistral", safe_prompt=False, random_seed=1, prompt_mode=None, max_tokens=8),
    chat("groq", service_tier="on_demand", reasoning_format="auto", compound_custom=None, citation_options="enabled"),
    chat("deepseek", messages=[USER, {"role": "assistant", "content": "a", "reasoning_content": "r"}, USER], thinking={"type": "disabled"}),
    # Servers whose clients are pointed here: vLLM, SGLang, Ollama, LM Studio, llama.cpp, llama-cpp-python, TGI.
    chat("vllm: sampling", top_k=-1, min_p=0.0, repetition_penalty=1.0, length_penalty=1.0, use_beam_search=False, stop_token_ids=[], include_stop_str_in_output=False, min_tokens=0, skip_special_tokens=True, spaces_between_special_tokens=True, ignore_eos=False),
    chat("vllm: extra", echo=False, add_generation_prompt=True, continue_final_message=False, add_special_tokens=False, documents=None, priority=0, request_id="r", return_token_ids=False, mm_processor_kwargs=None, kv_transfer_params=None, vllm_xargs=None, cache_salt=None),
    chat("vllm: template", chat_template_kwargs={"enable_thinking": False}),
    chat("vllm: guided json", "guided_json", guided_json=PERSON),
    chat("vllm: guided choice", "guided_choice", guided_choice=["positive", "negative"]),
    chat("vllm: guided regex", "guided_regex", guided_regex="[a-z]+"),
    chat("vllm: repetition penalty", "repetition_penalty", repetition_penalty=1.2),
    chat("vllm: beam search", "use_beam_search", use_beam_search=True, best_of=2),
    chat("vllm: stop tokens", "stop_token_ids", stop_token_ids=[2]),
    chat("sglang", separate_reasoning=True, stream_reasoning=True, regex=None, ebnf=None, no_stop_trim=False, top_k=-1, min_p=0.0),
    chat("ollama", keep_alive="5m", think=False, options={}, format="", stream=False),
    chat("lm-studio", ttl=300, draft_model=None, temperature=0.7, max_tokens=-1, stream=True),
    chat("lm-studio: schema", response_format=schema("character_schema", strict=True), max_tokens=50),
    chat("llama.cpp: web", stream=True, cache_prompt=True, reasoning_format="auto", samplers=[], dynatemp_range=0, xtc_probability=0, typical_p=1, max_tokens=-1, timings_per_token=True, return_progress=True, n_probs=0, id_slot=-1, n_keep=0, t_max_predict_ms=0, grammar="", ignore_eos=False),
    chat("llama.cpp: grammar", grammar='root ::= "yes" | "no"'),
    chat("llama.cpp: schema", json_schema=PERSON),
    chat("llama.cpp: object with schema", response_format={"type": "json_object", "schema": PERSON}),
    chat("llama.cpp: samplers", "samplers", samplers=["top_k", "temperature"]),
    chat("llama.cpp: lora", "lora", lora=[{"id": 0, "scale": 0.5}]),
    llama("llama.cpp: default", n_predict=8),
    llama("llama.cpp: array", prompt=["One", [1, 2, "x"]], n_predict=2),
    llama("llama.cpp: options", n_predict=4, temperature=0.7, top_k=40, top_p=0.9, n_keep=0, stream=True, repeat_last_n=256, repeat_penalty=1.18, stop=["</s>"], tfs_z=1, typical_p=1, presence_penalty=0, frequency_penalty=0, mirostat=0, mirostat_tau=5, mirostat_eta=0.1, grammar="", n_probs=0, min_keep=0, image_data=[], cache_prompt=True, api_key="", slot_id=-1),
    llama("llama.cpp: probabilities", n_predict=2, n_probs=3, response_fields=["content", "completion_probabilities"]),
    llama("llama.cpp: bias", n_predict=2, logit_bias=[[15, 1.0], ["Hello", -0.5], [42, False]]),
    llama("llama.vscode", n_predict=16, input_extra=[], input_prefix="", input_suffix="", samplers=[], t_max_prompt_ms=500, t_max_predict_ms=0, cache_prompt=True, top_k=40, top_p=0.99, stream=False),
    chat("llama-cpp-python", response_format={"type": "json_object", "schema": {"type": "object"}}, repeat_penalty=1.1, mirostat_mode=0, logits_processor=None, tfs_z=1.0),
    chat("tgi", details=True, decoder_input_details=False, adapter_id=None, guideline=None, best_of=1),
    # Hugging Face, Semantic Kernel, Spring AI, LangChain4j, .NET, Go, Rust, JavaScript.
    chat("huggingface_hub", logprobs=None, stream=False, provider="auto", tool_prompt=None),
    chat("semantic-kernel", tool_choice="auto", tools=[TOOL], max_tokens=2000, temperature=0.7, top_p=0.5, number_of_responses=1, token_selection_biases=None),
    chat("spring-ai", temperature=0.7, stream=True, streamOptions={"include_usage": True}, extraBody={}),
    chat("langchain4j", temperature=0.7, top_p=1.0, max_completion_tokens=256, stream=True, response_format={"type": "json_object"}),
    chat("go-openai", n=1, logit_bias={}, user="", stream_options=None, tool_choice=None),
    chat("async-openai", max_tokens=512.0, seed=1.0, top_logprobs=None, modalities=None),
    chat("javascript numbers", max_tokens=256.0, temperature=1, top_k=40.0),
    # Tools of every kind.
    chat("mcp: names", tools=[{"type": "function", "function": {"name": "mcp.files/read_file", "parameters": CITY}}]),
    chat("mcp: schema", tools=[{"type": "function", "function": {"name": "f", "parameters": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {"url": {"type": "string", "format": "uri"}}}}}]),
    chat("zod: email", response_format={"type": "json_schema", "json_schema": {"name": "mail", "schema": {"type": "object", "properties": {"mail": {"type": "string", "format": "email", "pattern": "^(?!\\.)(?!.*\\.\\.)[A-Za-z]+@[a-z]+$"}}}}}),
    chat("pydantic: decimal and set", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"price": {"anyOf": [{"type": "number"}, {"type": "string", "format": "decimal"}]}, "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 2}}}}}),
    chat("pydantic: strict set", "response_format.json_schema.schema.properties.tags", response_format={"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True}}}}}),
    chat("langgraph: names", messages=[USER | {"id": "m1", "additional_kwargs": {}}, CALLED | {"id": "run-1"}, RESULT | {"id": "t1", "status": "success"}]),
    chat("no arguments", tools=[{"type": "function", "function": {"name": "now"}}]),
    chat("null arguments", messages=[USER, CALLED | {"tool_calls": [CALL | {"function": {"name": "f", "arguments": None}}]}, RESULT]),
    chat("object arguments", messages=[USER, CALLED | {"tool_calls": [CALL | {"function": {"name": "f", "arguments": {"a": 1}}}]}, RESULT]),
    chat("cache_control on tools", tools=[TOOL | {"cache_control": {"type": "ephemeral"}}]),
    chat("provider tools", tools=[{"type": "web_search_preview"}, {"type": "google_search"}, TOOL]),
)  # fmt: skip
