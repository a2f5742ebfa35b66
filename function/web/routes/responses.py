"""The endpoints of OpenAI's Responses API. Their models are imported with the first request for one of them."""

from typing import Any

from flask import Blueprint, request

from function.lifecycle.service import Service
from function.web.generation_stream import GenerationStream, loaded_engine, own_names
from function.web.request.body import json_fields
from function.web.request.chat_prompt import ChatPrompt
from function.web.request.item_memory import ItemMemory


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service."""
    routes = Blueprint("responses", __name__)
    memory = ItemMemory()

    @routes.post("/v1/responses")
    def create_response() -> Any:
        from function.web.reply import named_events
        from function.web.reply.blocks import BlockReader
        from function.web.reply.responses import ResponsesReply
        from function.web.request.responses import ResponsesRequest

        body = ResponsesRequest.parse(memory.resolve(json_fields(request)), strict=True)
        with own_names(body):
            chat = body.chat()
            prompt = ChatPrompt(service, chat.messages, chat, stops=body.stop_strings)
        stream = GenerationStream(service, body, prompt.prompt)
        reply = ResponsesReply(
            lambda: service.name,
            BlockReader(prompt.reader),
            body.response_fields(),
            summary=body.wants_summary,
            opaque=body.wants_opaque_thoughts,
            logprobs=body.alternatives is not None,
            timed=body.timings_per_token,
            metered=body.return_progress,
            new_call_id=prompt.new_id,
            keep_items=memory.keep if body.may_be_kept else None,
        )
        return named_events.send(stream, reply)

    @routes.post("/v1/responses/input_tokens")
    def count_input_tokens() -> dict[str, Any]:
        from function.web.request.responses import ResponsesRequest

        body = ResponsesRequest.parse(memory.resolve(json_fields(request)), strict=True)
        with own_names(body):
            chat = body.chat()
            prompt = ChatPrompt(service, chat.messages, chat)
            tokens = prompt.count(loaded_engine(service, body))
        return {"object": "response.input_tokens", "input_tokens": tokens}

    return routes
