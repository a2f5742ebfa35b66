"""The shapes of OpenAI's API that replies have. Pure."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from function.engine.events import FinishReason, Usage

Object = dict[str, Any]


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


@dataclass(frozen=True, slots=True)
class ChatReply:
    """Builds the objects of one chat completion, which share an id, a time and the model's true name."""

    model: str
    fingerprint: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, reason: FinishReason, counts: Usage) -> Object:
        """The reply in one piece."""
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(reason)}
        return self._object("chat.completion", [choice]) | {"usage": usage(counts)}

    def first(self) -> Object:
        """The chunk that opens a stream: who speaks."""
        return self._chunk({"role": "assistant", "content": ""}, None)

    def piece(self, text: str) -> Object:
        """A chunk of text."""
        return self._chunk({"content": text}, None)

    def last(self, reason: FinishReason) -> Object:
        """The chunk that says why the reply ended."""
        return self._chunk({}, finish_reason(reason))

    def counted(self, counts: Usage) -> Object:
        """The chunk without choices that ``stream_options.include_usage`` asks for."""
        return self._object("chat.completion.chunk", []) | {"usage": usage(counts)}

    def _chunk(self, delta: Object, reason: str | None) -> Object:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
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
