"""The shapes of OpenAI's API that replies have. Pure."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from function.dialect.reply_parts import CallStart, Part, PlainReader, ReplyReader
from function.engine import Finished, FinishReason, Logprob, TextPiece, Usage
from function.web.reply.openai_logprobs import Object, Offsets, chat_logprobs, text_logprobs
from function.web.reply.openai_parts import delta, message


def finish_reason(reason: FinishReason, *, called: bool = False) -> str:
    """OpenAI's word for why a reply ended: a deadline is a limit like any other, and ``called`` tools are a reason."""
    if reason == "stop" and called:
        return "tool_calls"
    return "length" if reason == "deadline" else reason


def usage(counts: Usage) -> Object:
    """OpenAI's usage object."""
    return {
        "prompt_tokens": counts.prompt_tokens,
        "completion_tokens": counts.completion_tokens,
        "total_tokens": counts.prompt_tokens + counts.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": counts.cached_tokens},
    }


def model_card(name: str, created: int) -> Object:
    """One entry of /v1/models."""
    return {"id": name, "object": "model", "created": created, "owned_by": "local"}


class Frame(Protocol):
    """What the pieces of a reply are put into, for one endpoint."""

    def opening(self) -> Iterable[Object]:
        """What a stream begins with."""

    def pieces(self, text: TextPiece) -> Iterable[Object]:
        """One piece of the reply, in a stream."""

    def closing(self, end: Finished) -> Iterable[Object]:
        """Why the reply ended, in a stream."""

    def counted(self, counts: Usage) -> Object:
        """The chunk without choices that ``stream_options.include_usage`` asks for."""

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """The reply in one piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReply:
    """Builds the objects of one text completion; see ChatReply."""

    model: str
    fingerprint: str
    logprobs: bool = False
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    _offsets: Offsets = field(default_factory=Offsets)

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """See Frame."""
        return self._object([self._choice(_joined(texts), end.reason)]) | {"usage": usage(end.usage)}

    def opening(self) -> Iterable[Object]:
        """See Frame: a text begins with itself."""
        return ()

    def pieces(self, text: TextPiece) -> Iterator[Object]:
        """See Frame."""
        yield self._object([self._choice(text)])

    def closing(self, end: Finished) -> Iterator[Object]:
        """See Frame."""
        yield self._object([self._choice(TextPiece("", 0), end.reason)])

    def counted(self, counts: Usage) -> Object:
        """See Frame."""
        return self._object([]) | {"usage": usage(counts)}

    def _choice(self, text: TextPiece, reason: FinishReason | None = None) -> Object:
        logprobs = text_logprobs(text.logprobs, self._offsets) if self.logprobs else None
        ended = None if reason is None else finish_reason(reason)
        return {"text": text.text, "index": 0, "logprobs": logprobs, "finish_reason": ended}

    def _object(self, choices: list[Object]) -> Object:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """Builds the objects of one chat completion, which share an id, a time and the model's true name.

    ``logprobs`` says whether the request asks for them; ``reader`` tells the parts of the text; ``new_id`` makes the
    ids of tool calls.
    """

    model: str
    fingerprint: str
    logprobs: bool = False
    reader: ReplyReader = field(default_factory=PlainReader)
    new_id: Callable[[], str] = str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    _calls: list[str] = field(default_factory=list)
    _waiting: list[Logprob] = field(default_factory=list)

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """See Frame."""
        parts = [part for piece in texts for part in self.reader.feed(piece.text)] + list(
            self.reader.finish(cut=end.reason != "stop")
        )
        calls = sum(isinstance(part, CallStart) for part in parts)
        logprobs = chat_logprobs([entry for piece in texts for entry in piece.logprobs]) if self.logprobs else None
        reason = finish_reason(end.reason, called=calls > 0)
        choice = {"index": 0, "message": message(parts, self.new_id), "logprobs": logprobs, "finish_reason": reason}
        return self._object("chat.completion", [choice]) | {"usage": usage(end.usage)}

    def opening(self) -> Iterator[Object]:
        """See Frame: who speaks."""
        yield self._chunk({"role": "assistant", "content": ""})

    def pieces(self, text: TextPiece) -> Iterator[Object]:
        """See Frame. Logprobs go with the first thing that is said after their tokens."""
        self._waiting.extend(text.logprobs)
        for part in self.reader.feed(text.text):
            yield self._part(part)

    def closing(self, end: Finished) -> Iterator[Object]:
        """See Frame."""
        for part in self.reader.finish(cut=end.reason != "stop"):
            yield self._part(part)
        yield self._chunk({}, finish_reason(end.reason, called=bool(self._calls)))

    def counted(self, counts: Usage) -> Object:
        """See Frame."""
        return self._object("chat.completion.chunk", []) | {"usage": usage(counts)}

    def _part(self, part: Part) -> Object:
        if isinstance(part, CallStart):
            self._calls.append(self.new_id())
        return self._chunk(delta(part, self._calls))

    def _chunk(self, said: Object, reason: str | None = None) -> Object:
        logprobs = None
        if self.logprobs and (self._waiting or "content" in said) and "role" not in said:
            logprobs = chat_logprobs(self._waiting)
            self._waiting.clear()
        choice = {"index": 0, "delta": said, "logprobs": logprobs, "finish_reason": reason}
        return self._object("chat.completion.chunk", [choice])

    def _object(self, kind: str, choices: list[Object]) -> Object:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": choices,
        }


def _joined(texts: Sequence[TextPiece]) -> TextPiece:
    entries = tuple(entry for text in texts for entry in text.logprobs)
    return TextPiece("".join(text.text for text in texts), texts[-1].tokens if texts else 0, entries)
