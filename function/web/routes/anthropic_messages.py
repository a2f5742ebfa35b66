"""The endpoints of Anthropic's Messages API. Their models are imported with the first request for one of them."""

from typing import Any

from flask import Blueprint, request

from function.lifecycle.service import Service
from function.web.generation_stream import GenerationStream, loaded_engine, own_names
from function.web.request.chat_prompt import ChatPrompt


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service."""
    routes = Blueprint("messages", __name__)

    @routes.post("/v1/messages")
    def create_message() -> Any:
        from function.web.reply import named_events
        from function.web.reply.anthropic_messages import MessagesReply
        from function.web.reply.blocks import BlockReader
        from function.web.request.anthropic_messages import MessagesRequest

        body = MessagesRequest.from_json(request)
        with own_names(body):
            chat = body.chat()
            prompt = ChatPrompt(service, chat.messages, chat, stops=body.stop_strings)
        stream = GenerationStream(service, body, prompt.prompt)
        blocks = BlockReader(prompt.reader, thoughts=body.thinks)
        return named_events.send(
            stream, MessagesReply(lambda: service.name, blocks, shows_thoughts=body.shows_thoughts)
        )

    @routes.post("/v1/messages/count_tokens")
    def count_tokens() -> dict[str, int]:
        from function.web.request.anthropic_messages import MessagesRequest

        body = MessagesRequest.from_json(request)
        with own_names(body):
            chat = body.chat()
            prompt = ChatPrompt(service, chat.messages, chat)
            tokens = prompt.count(loaded_engine(service, body))
        return {"input_tokens": tokens}

    return routes
