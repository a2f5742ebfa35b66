"""Replies and errors in the shapes of Anthropic's Messages API. Pure."""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence

from function.engine import Finished, PrefillProgress, TextPiece, Usage
from function.errors import ContextExceeded, FunctionError
from function.web.reply.blocks import Block, BlockEnd, BlockEvent, BlockPiece, BlockReader, BlockStart
from function.web.reply.openai_logprobs import Object

DELTAS = {
    "content": ("text_delta", "text"),
    "thought": ("thinking_delta", "thinking"),
    "call": ("input_json_delta", "partial_json"),
}
"""Type of the delta of each kind of block, and the field that has its text."""


class MessagesReply:
    """Builder of the events, and of the object, of one message.

    ``model`` returns the name of the model, which is known once it is loaded. Without ``shows_thoughts``, blocks of
    thoughts come without their text.
    """

    def __init__(self, model: Callable[[], str], blocks: BlockReader, *, shows_thoughts: bool = True) -> None:
        self._model = model
        self._blocks = blocks
        self._shows_thoughts = shows_thoughts
        self._id = f"msg_{uuid.uuid4().hex}"
        self._opened = False

    def prefill(self, progress: PrefillProgress) -> Iterator[Object]:
        """Return the first event, with the tokens of the prompt."""
        if not self._opened:
            self._opened = True
            counts = Usage(progress.total, 0, progress.cached)
            yield {"type": "message_start", "message": self._message([], counts)}

    def pieces(self, text: TextPiece) -> Iterator[Object]:
        """Return the events of one piece of the reply."""
        for event in self._blocks.feed(text.text):
            yield from self._block_events(event)

    def closing(self, end: Finished) -> Iterator[Object]:
        """Return the events that end the message."""
        for event in self._blocks.finish(cut=end.reason != "stop"):
            yield from self._block_events(event)
        yield {"type": "message_delta", "delta": self._ending(end), "usage": usage_object(end.usage)}
        yield {"type": "message_stop"}

    def failure(self, error: FunctionError) -> Iterator[Object]:
        """Return the event of a failure."""
        yield error_body(error)

    def error_body(self, error: FunctionError) -> Object:
        """Return the error object of a whole reply."""
        return error_body(error)

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """Return the message as one object."""
        events = [event for piece in texts for event in self._blocks.feed(piece.text)]
        events += self._blocks.finish(cut=end.reason != "stop")
        blocks = [self._whole_block(event.block) for event in events if isinstance(event, BlockEnd)]
        content = [block for block in blocks if block is not None] or [_new_block(Block("content", 0))]
        return self._message(content, end.usage) | self._ending(end)

    def _message(self, content: Sequence[Object], counts: Usage) -> Object:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model(),
            "content": list(content),
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(counts),
        }

    def _ending(self, end: Finished) -> Object:
        stop = self._blocks.stop
        if stop is not None:
            reason = "stop_sequence"
        elif end.reason != "stop":
            reason = "max_tokens"
        else:
            reason = "tool_use" if self._blocks.called else "end_turn"
        return {"stop_reason": reason, "stop_sequence": stop}

    def _block_events(self, event: BlockEvent) -> Iterator[Object]:
        block = event.block
        place = {"index": block.index}
        if isinstance(event, BlockStart):
            yield {"type": "content_block_start", **place, "content_block": _new_block(block)}
        elif isinstance(event, BlockPiece):
            if block.kind != "thought" or self._shows_thoughts:
                kind, field = DELTAS[block.kind]
                yield {"type": "content_block_delta", **place, "delta": {"type": kind, field: event.text}}
        else:
            if block.kind == "thought":
                delta = {"type": "signature_delta", "signature": _signature(block.text)}
                yield {"type": "content_block_delta", **place, "delta": delta}
            yield {"type": "content_block_stop", **place}

    def _whole_block(self, block: Block) -> Object | None:
        """Return the block with its text; None for a call that was cut off, so that no client carries it out."""
        if block.kind == "call":
            arguments = _arguments(block.text)
            return None if arguments is None else _new_block(block) | {"input": arguments}
        if block.kind == "content":
            return {"type": "text", "text": block.text}
        thinking = block.text if self._shows_thoughts else ""
        return {"type": "thinking", "thinking": thinking, "signature": _signature(block.text)}


def error_body(error: FunctionError) -> Object:
    """Return the API's error object. OpenAI's ``param`` and ``code`` are kept."""
    detail = error.body()["error"] | {"type": _error_type(error)}
    if isinstance(error, ContextExceeded):  # clients compact the conversation when they find these words
        tokens, n_ctx = detail["n_prompt_tokens"], detail["n_ctx"]
        detail["message"] = f"prompt is too long: {tokens} tokens > {n_ctx} maximum. {error.message}"
    return {"type": "error", "error": detail}


def usage_object(counts: Usage) -> Object:
    """Return the API's usage object: tokens from the cache are no input tokens."""
    return {
        "input_tokens": counts.prompt_tokens - counts.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": counts.cached_tokens,
        "output_tokens": counts.completion_tokens,
        "output_tokens_details": {"thinking_tokens": counts.reasoning_tokens},
    }


def _error_type(error: FunctionError) -> str:
    types = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        405: "invalid_request_error",
        408: "timeout_error",
        413: "request_too_large",
        429: "rate_limit_error",
    }
    if error.status == 503 and not error.permanent:
        return "overloaded_error"
    return types.get(error.status, "api_error")


def _new_block(block: Block) -> Object:
    if block.kind == "call":
        return {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex[:24]}", "name": block.name, "input": {}}
    if block.kind == "thought":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _arguments(text: str) -> Object | None:
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _signature(thought: str) -> str:
    """Return an opaque value: clients drop thoughts without one. Requests are accepted with any."""
    return base64.b64encode(hashlib.sha256(thought.encode(errors="replace")).digest()).decode()
