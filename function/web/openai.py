"""The shapes of OpenAI's API that replies have. Pure."""

import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from function.engine.events import Finished, FinishReason, Text, Usage
from function.web.logprobs import Object, chat_logprobs


def finish_reason(reason: FinishReason) -> str:
    """OpenAI's word for why a reply ended: a deadline is a limit like any other."""
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

    def pieces(self, text: Text) -> Iterable[Object]:
        """One piece of the reply, in a stream."""

    def closing(self, end: Finished) -> Iterable[Object]:
        """Why the reply ended, in a stream."""

    def counted(self, counts: Usage) -> Object:
        """The chunk without choices that ``stream_options.include_usage`` asks for."""

    def whole(self, texts: Sequence[Text], end: Finished) -> Object:
        """The reply in one piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """Builds the objects of one chat completion, which share an id, a time and the model's true name.

    ``logprobs`` says whether the request asks for them.
    """

    model: str
    fingerprint: str
    logprobs: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, texts: Sequence[Text], end: Finished) -> Object:
        """See Frame."""
        message = {"role": "assistant", "content": "".join(piece.text for piece in texts), "refusal": None}
        logprobs = chat_logprobs([entry for piece in texts for entry in piece.logprobs]) if self.logprobs else None
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish_reason(end.reason)}
        return self._object("chat.completion", [choice]) | {"usage": usage(end.usage)}

    def opening(self) -> Iterator[Object]:
        """See Frame: who speaks."""
        yield self._chunk({"role": "assistant", "content": ""}, None)

    def pieces(self, text: Text) -> Iterator[Object]:
        """See Frame."""
        yield self._chunk({"content": text.text}, None, chat_logprobs(text.logprobs) if self.logprobs else None)

    def closing(self, end: Finished) -> Iterator[Object]:
        """See Frame."""
        yield self._chunk({}, finish_reason(end.reason))

    def counted(self, counts: Usage) -> Object:
        """See Frame."""
        return self._object("chat.completion.chunk", []) | {"usage": usage(counts)}

    def _chunk(self, delta: Object, reason: str | None, logprobs: Object | None = None) -> Object:
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
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
