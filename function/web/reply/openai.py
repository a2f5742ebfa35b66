"""Replies in the shapes of OpenAI's API. Pure."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from function.dialect.reply_parts import (
    ArgumentsPiece,
    CallStart,
    ContentPiece,
    Part,
    PlainReader,
    ReplyReader,
    ThoughtPiece,
)
from function.engine import Finished, FinishReason, Logprob, PrefillProgress, TextPiece, Usage
from function.web.reply.llama import LlamaReply
from function.web.reply.openai_logprobs import Object, Offsets, chat_logprobs, text_logprobs
from function.web.reply.timings import PrefillMeter, timings_object


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """Fields that all objects of one reply share: its id, time and the model's true name.

    ``timed`` replies have llama.cpp's ``timings``; ``metered`` ones its ``prompt_progress`` in a stream. ``verbose``
    is the reply's format in llama.cpp's own shape, if it is wanted too.
    """

    model: str
    fingerprint: str
    logprobs: bool = False
    timed: bool = False
    metered: bool = False
    verbose: LlamaReply | None = None
    id: str = ""
    created: int = field(default_factory=lambda: int(time.time()))
    index: int = 0
    """Place of the choice among those of the reply."""
    _meter: PrefillMeter = field(default_factory=PrefillMeter)
    _end: list[Object] = field(default_factory=list)

    def _timings_so_far(self, tokens: int) -> Object:
        return {"timings": self._meter.timings(tokens)} if self.timed else {}

    def _extras(self, end: Finished, texts: Sequence[TextPiece] = ()) -> Object:
        """Return what llama.cpp's server adds to the last object, as far as the request asks for it."""
        extras: Object = {"timings": timings_object(end.usage, end.timings)} if self.timed else {}
        self._end.append(extras.copy())
        if self.verbose:
            extras["__verbose"] = self.verbose.whole(texts, end)
        return extras

    def _object(self, kind: str, choices: list[Object], **extra: Object) -> Object:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
            **extra,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReply(_Reply):
    """Builder of the objects of one text completion; see ReplyFormat."""

    KIND: ClassVar[str] = "text_completion"
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4().hex}")
    _offsets: Offsets = field(default_factory=Offsets)

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """See ReplyFormat."""
        logprobs = tuple(entry for text in texts for entry in text.logprobs)
        joined = TextPiece("".join(text.text for text in texts), end.usage.completion_tokens, logprobs)
        return self._object(
            self.KIND, [self._choice(joined, end.reason)], usage=usage_object(end.usage), **self._extras(end, texts)
        )

    def opening(self) -> Iterable[Object]:
        """See ReplyFormat. A text completion has no opening object."""
        return ()

    def prefill(self, progress: PrefillProgress) -> Iterator[Object]:
        """See ReplyFormat."""
        reports = self._meter.update(progress)
        for report in reports if self.metered else ():
            yield self._object(self.KIND, [self._choice(TextPiece("", 0))], prompt_progress=report)

    def pieces(self, text: TextPiece) -> Iterator[Object]:
        """See ReplyFormat."""
        yield self._object(self.KIND, [self._choice(text)], **self._timings_so_far(text.tokens))

    def closing(self, end: Finished) -> Iterator[Object]:
        """See ReplyFormat."""
        yield self._object(self.KIND, [self._choice(TextPiece("", 0), end.reason)], **self._extras(end))

    def usage_chunk(self, counts: Usage) -> Object:
        """See ReplyFormat."""
        return self._object(self.KIND, [], usage=usage_object(counts), **self._end[-1])

    def _choice(self, text: TextPiece, reason: FinishReason | None = None) -> Object:
        logprobs = text_logprobs(text.logprobs, self._offsets) if self.logprobs else None
        ended = None if reason is None else finish_reason(reason)
        return {"text": text.text, "index": self.index, "logprobs": logprobs, "finish_reason": ended}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply(_Reply):
    """Builder of the objects of one chat completion; see ReplyFormat.

    ``reader`` splits the text into parts; ``new_id`` makes the ids of tool calls.
    """

    KIND: ClassVar[str] = "chat.completion"
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    reader: ReplyReader = field(default_factory=PlainReader)
    new_id: Callable[[], str] = str
    _call_ids: list[str] = field(default_factory=list)
    _pending: list[Logprob] = field(default_factory=list)

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """See ReplyFormat."""
        parts = [part for piece in texts for part in self.reader.feed(piece.text)]
        parts += self.reader.finish(cut=end.reason != "stop")
        message = message_object(parts, self.new_id)
        logprobs = chat_logprobs([entry for piece in texts for entry in piece.logprobs]) if self.logprobs else None
        reason = finish_reason(end.reason, called="tool_calls" in message)
        choice = {"index": self.index, "message": message, "logprobs": logprobs, "finish_reason": reason}
        return self._object(self.KIND, [choice], usage=usage_object(end.usage), **self._extras(end, texts))

    def opening(self) -> Iterator[Object]:
        """See ReplyFormat. The first chunk has the role, and no text yet."""
        yield self._chunk({"role": "assistant", "content": None})

    def prefill(self, progress: PrefillProgress) -> Iterator[Object]:
        """See ReplyFormat."""
        reports = self._meter.update(progress)
        for report in reports if self.metered else ():
            yield self._chunk({}, prompt_progress=report)

    def pieces(self, text: TextPiece) -> Iterator[Object]:
        """See ReplyFormat. Logprobs go with the first delta after their tokens."""
        self._pending.extend(text.logprobs)
        timings = self._timings_so_far(text.tokens)
        return (self._part_chunk(part) | timings for part in self.reader.feed(text.text))

    def closing(self, end: Finished) -> Iterator[Object]:
        """See ReplyFormat."""
        yield from map(self._part_chunk, self.reader.finish(cut=end.reason != "stop"))
        yield self._chunk({}, finish_reason(end.reason, called=bool(self._call_ids)), **self._extras(end))

    def usage_chunk(self, counts: Usage) -> Object:
        """See ReplyFormat."""
        return self._object(f"{self.KIND}.chunk", [], usage=usage_object(counts), **self._end[-1])

    def _part_chunk(self, part: Part) -> Object:
        if isinstance(part, ContentPiece):
            return self._chunk({"content": part.text})
        if isinstance(part, ThoughtPiece):
            return self._chunk({"reasoning_content": part.text})
        if isinstance(part, CallStart):
            self._call_ids.append(self.new_id())
            call = _call_object(part, self._call_ids[-1])
        else:
            call = {"function": {"arguments": part.text}}
        return self._chunk({"tool_calls": [{"index": len(self._call_ids) - 1} | call]})

    def _chunk(self, delta: Object, reason: str | None = None, **extra: Object) -> Object:
        logprobs = None
        if self.logprobs and (self._pending or "content" in delta) and "role" not in delta:
            logprobs = chat_logprobs(self._pending)
            self._pending.clear()
        choice = {"index": self.index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return self._object(f"{self.KIND}.chunk", [choice], **extra)


def join_choices(objects: Sequence[Object], counts: Usage) -> Object:
    """Return the objects of a reply's choices as one; ``counts`` are the tokens of all of them."""
    choices = [choice for each in objects for choice in each["choices"]]
    return objects[-1] | {"choices": choices, "usage": usage_object(counts)}


def message_object(parts: Sequence[Part], new_id: Callable[[], str]) -> Object:
    """Return the whole reply as a message. ``content`` is null for calls without text."""
    calls: list[Object] = []
    texts: dict[type[Part], str] = {}
    for part in parts:
        if isinstance(part, CallStart):
            calls.append(_call_object(part, new_id()))
        elif isinstance(part, ArgumentsPiece):
            calls[-1]["function"]["arguments"] += part.text
        else:
            texts[type(part)] = texts.get(type(part), "") + part.text
    content = texts.get(ContentPiece, "")
    message: Object = {"role": "assistant", "content": None if calls and not content else content, "refusal": None}
    if ThoughtPiece in texts:
        message["reasoning_content"] = texts[ThoughtPiece]
    return message | {"tool_calls": calls} if calls else message


def _call_object(part: CallStart, call_id: str) -> Object:
    return {"id": call_id, "type": "function", "function": {"name": part.name, "arguments": ""}}


def finish_reason(reason: FinishReason, *, called: bool = False) -> str:
    """Return OpenAI's finish reason: a deadline is a length limit, and a stop after ``called`` tools is a call."""
    if reason == "stop" and called:
        return "tool_calls"
    return "length" if reason == "deadline" else reason


def usage_object(counts: Usage) -> Object:
    """Return OpenAI's usage object."""
    return {
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counts.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
    }
