"""Replies in the shapes of OpenAI's Responses API. Pure."""

import base64
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from function.engine import Finished, Logprob, PrefillProgress, TextPiece, Usage
from function.errors import FunctionError
from function.web.reply.blocks import Block, BlockEnd, BlockEvent, BlockPiece, BlockReader, BlockStart
from function.web.reply.openai_logprobs import Object, chat_logprobs
from function.web.reply.timings import PrefillMeter, timings_object

TEXT_PART: Object = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
THOUGHT_PART: Object = {"type": "reasoning_text", "text": ""}
SUMMARY_PART: Object = {"type": "summary_text", "text": ""}


class ResponsesReply:
    """Builder of the events, and of the object, of one response.

    ``model`` returns the name of the model, which is known once it is loaded. ``request``: fields of the request that
    every response object repeats. With ``summary``, thoughts are the summary of a reasoning item, and otherwise its
    content; with ``opaque``, also its encrypted content. ``timed`` streams have llama.cpp's ``timings``, and
    ``metered`` ones its ``prompt_progress``. ``new_call_id`` makes the ids of calls; ``keep_items`` takes the items of
    the complete response.
    """

    def __init__(
        self,
        model: Callable[[], str],
        blocks: BlockReader,
        request: Object,
        *,
        summary: bool = False,
        opaque: bool = False,
        logprobs: bool = False,
        timed: bool = False,
        metered: bool = False,
        new_call_id: Callable[[], str] = lambda: f"call_{uuid.uuid4().hex}",
        keep_items: Callable[[list[Object]], None] | None = None,
    ) -> None:
        self._model = model
        self._request = request
        self._blocks = blocks
        self._summary = summary
        self._opaque = opaque
        self._logprobs = logprobs
        self._timed = timed
        self._metered = metered
        self._meter = PrefillMeter()
        self._tokens = 0
        self._new_call_id = new_call_id
        self._keep_items = keep_items
        self._id = f"resp_{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._sequence = 0
        self._output: list[Object] = []
        self._item: Object = {}
        self._entries: list[Logprob] = []
        self._item_entries: list[Logprob] = []

    def prefill(self, progress: PrefillProgress) -> Iterator[Object]:
        """Return the first events: the response exists, and is in progress; then its progress, if it is wanted."""
        if self._sequence == 0:
            for name in ("created", "in_progress"):
                yield self._event(f"response.{name}", response=self._response("in_progress"))
        reports = self._meter.update(progress)
        for report in reports if self._metered else ():
            yield self._event("response.in_progress", response=self._response("in_progress"), prompt_progress=report)

    def pieces(self, text: TextPiece) -> Iterator[Object]:
        """Return the events of one piece of the reply."""
        self._entries.extend(text.logprobs)
        self._tokens = text.tokens
        for event in self._blocks.feed(text.text):
            yield from self._block_events(event)

    def closing(self, end: Finished) -> Iterator[Object]:
        """Return the events that end the response."""
        for event in self._blocks.finish(cut=end.reason != "stop"):
            yield from self._block_events(event)
        if self._keep_items is not None:
            self._keep_items(self._output)
        whole = end.reason == "stop"
        response = self._response("completed" if whole else "incomplete") | {"usage": usage_object(end.usage)}
        if whole:
            response["completed_at"] = int(time.time())
        else:
            response["incomplete_details"] = {"reason": "max_output_tokens"}
        timings = {"timings": timings_object(end.usage, end.timings)} if self._timed else {}
        yield self._event(f"response.{response['status']}", response=response, **timings)

    def failure(self, error: FunctionError) -> Iterator[Object]:
        """Return the events of a failure. Clients recognise one or the other."""
        detail = error.body()["error"]
        flat = {key: detail[key] for key in ("code", "message", "param")}
        yield self._event("error", **flat, error=detail)
        cause = {"code": error.code, "message": error.message}
        yield self._event("response.failed", response=self._response("failed") | {"error": cause})

    def error_body(self, error: FunctionError) -> Object:
        """Return the error object of a whole reply."""
        return error.body()

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """Return the response as one object."""
        for piece in texts:
            for _ in self.pieces(piece):
                pass
        *_, last = self.closing(end)
        response: Object = last["response"]
        return response

    def _response(self, status: str) -> Object:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "model": self._model(),
            **self._request,
            "output": list(self._output),
            "usage": None,
        }

    def _block_events(self, event: BlockEvent) -> Iterable[Object]:
        if isinstance(event, BlockStart):
            return self._start_events(event.block)
        if isinstance(event, BlockPiece):
            return self._piece_events(event)
        return self._end_events(event)

    def _start_events(self, block: Block) -> Iterator[Object]:
        self._item = self._new_item(block)
        self._item_entries.clear()
        yield self._event("response.output_item.added", output_index=block.index, item=self._item)
        if block.kind != "call":
            kind, place = self._part_event(block)
            yield self._event(f"response.{kind}.added", **self._place(block, place), part=self._part(block))

    def _piece_events(self, piece: BlockPiece) -> Iterator[Object]:
        block = piece.block
        extra: Object = {}
        if block.kind == "content":
            extra["logprobs"] = self._take_logprobs()
        if self._timed:
            extra["timings"] = self._meter.timings(self._tokens)
        yield self._event(
            f"response.{self._text_event(block)}.delta", **self._text_place(block), delta=piece.text, **extra
        )

    def _end_events(self, end: BlockEnd) -> Iterator[Object]:
        block = end.block
        if block.kind == "content":
            self._take_logprobs()
        self._item = self._whole_item(block) | {"status": "incomplete" if end.cut else "completed"}
        extra: Object = {"text": block.text}
        if block.kind == "call":
            extra = {"name": block.name, "arguments": block.text}
        elif block.kind == "content":
            extra["logprobs"] = self._logprob_objects(self._item_entries)
        yield self._event(f"response.{self._text_event(block)}.done", **self._text_place(block), **extra)
        if block.kind != "call":
            kind, place = self._part_event(block)
            yield self._event(f"response.{kind}.done", **self._place(block, place), part=self._part(block))
        yield self._event("response.output_item.done", output_index=block.index, item=self._item)
        self._output.append(self._item)

    def _new_item(self, block: Block) -> Object:
        """Return the item of ``block`` at its beginning."""
        if block.kind == "call":
            item: Object = {"id": _new_id("fc"), "type": "function_call", "status": "in_progress"}
            return item | {"call_id": self._new_call_id(), "name": block.name, "arguments": ""}
        if block.kind == "thought":
            return {"id": _new_id("rs"), "type": "reasoning", "status": "in_progress", "summary": [], "content": []}
        return {"id": _new_id("msg"), "type": "message", "status": "in_progress", "role": "assistant", "content": []}

    def _whole_item(self, block: Block) -> Object:
        """Return the item of ``block`` with its text."""
        if block.kind == "call":
            return self._item | {"arguments": block.text}
        field = "summary" if block.kind == "thought" and self._summary else "content"
        item = self._item | {field: [self._part(block)]}
        if block.kind == "thought" and self._opaque:
            item["encrypted_content"] = base64.b64encode(block.text.encode(errors="replace")).decode()
        return item

    def _part(self, block: Block) -> Object:
        if block.kind == "thought":
            return (SUMMARY_PART if self._summary else THOUGHT_PART) | {"text": block.text}
        return TEXT_PART | {"text": block.text, "logprobs": self._logprob_objects(self._item_entries)}

    def _part_event(self, block: Block) -> tuple[str, str]:
        """Return the name of the events of a part, and of the field that has its place."""
        summary = block.kind == "thought" and self._summary
        return ("reasoning_summary_part", "summary_index") if summary else ("content_part", "content_index")

    def _text_event(self, block: Block) -> str:
        if block.kind == "call":
            return "function_call_arguments"
        if block.kind == "thought":
            return "reasoning_summary_text" if self._summary else "reasoning_text"
        return "output_text"

    def _text_place(self, block: Block) -> Object:
        return self._place(block, None if block.kind == "call" else self._part_event(block)[1])

    def _place(self, block: Block, index: str | None) -> Object:
        place: Object = {"item_id": self._item["id"], "output_index": block.index}
        return place if index is None else place | {index: 0}

    def _take_logprobs(self) -> list[Object]:
        """Return the logprobs that have arrived, as those of the item's text."""
        taken = self._entries.copy()
        self._entries.clear()
        self._item_entries.extend(taken)
        return self._logprob_objects(taken)

    def _logprob_objects(self, entries: Sequence[Logprob]) -> list[Object]:
        if not self._logprobs:
            return []
        found: list[Object] = chat_logprobs(entries)["content"]
        for entry in found:  # control tokens have no bytes; here they are a list in any case
            for choice in (entry, *entry["top_logprobs"]):
                choice["bytes"] = choice["bytes"] or []
        return found

    def _event(self, kind: str, **fields: Any) -> Object:
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return event


def usage_object(counts: Usage) -> Object:
    """Return the API's usage object."""
    return {
        "input_tokens": counts.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counts.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": counts.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
    }


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"
