"""Replies of POST /completion, in the shapes of llama.cpp's own API."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from function.engine import Finished, Job, Logprob, PrefillProgress, TextPiece, TokenChoice, Usage
from function.web.reply.timings import PrefillMeter, timings_object

Object = dict[str, Any]

_STOP_TYPES = {"stop": "eos", "length": "limit", "deadline": "limit"}
_ADAPTIVE = {"adaptive_target": -1.0, "adaptive_decay": 0.9}
"""Values of a sampler that is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaReply:
    """Builder of the objects of one completion; see ReplyFormat.

    ``prompt`` is the text of the job's prompt and ``n_ctx`` the size of the context. ``fields`` select those of the
    last object, with a slash before a field of an inner object; without any it has all.
    """

    model: str
    job: Job
    prompt: str
    n_ctx: int
    index: int = 0
    stream: bool = False
    timed: bool = False
    metered: bool = False
    returns_tokens: bool = False
    fields: Sequence[str] = ()
    _meter: PrefillMeter = field(default_factory=PrefillMeter)

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """See ReplyFormat."""
        tokens = [token for text in texts for token in text.token_ids] if self.returns_tokens else []
        content = "".join(text.text for text in texts)
        probabilities = self._probabilities(entry for text in texts for entry in text.logprobs)
        return self._last(content, tokens, end, probabilities)

    def opening(self) -> Iterable[Object]:
        """See ReplyFormat. There is no opening object."""
        return ()

    def prefill(self, progress: PrefillProgress) -> Iterator[Object]:
        """See ReplyFormat."""
        reports = self._meter.update(progress)
        for report in reports if self.metered else ():
            yield self._piece(TextPiece("", 0)) | {"prompt_progress": report}

    def pieces(self, text: TextPiece) -> Iterator[Object]:
        """See ReplyFormat."""
        timings = {"timings": self._meter.timings(text.tokens)} if self.timed else {}
        yield self._piece(text) | timings | self._probabilities(text.logprobs)

    def closing(self, end: Finished) -> Iterator[Object]:
        """See ReplyFormat."""
        yield self._last("", [], end, {})

    def usage_chunk(self, counts: Usage) -> Object:
        """See ReplyFormat."""
        return {"index": self.index, "content": "", "tokens": [], "stop": True}

    def _piece(self, text: TextPiece) -> Object:
        return {
            "index": self.index,
            "content": text.text,
            "tokens": list(text.token_ids),
            "stop": False,
            "id_slot": 0,
            "tokens_predicted": text.tokens,
            "tokens_evaluated": self._meter.prompt_tokens,
        }

    def _last(self, content: str, tokens: list[int], end: Finished, more: Object) -> Object:
        used = end.usage.prompt_tokens + end.usage.completion_tokens
        made = {
            "index": self.index,
            "content": content,
            "tokens": tokens,
            "id_slot": 0,
            "stop": True,
            "model": self.model,
            "tokens_predicted": end.usage.completion_tokens,
            "tokens_evaluated": end.usage.prompt_tokens,
            "generation_settings": self._settings(),
            "prompt": self.prompt,
            "has_new_line": "\n" in content,
            "truncated": end.reason == "length" and used >= self.n_ctx,
            "stop_type": "word" if end.stop_word else _STOP_TYPES.get(end.reason, "none"),
            "stopping_word": end.stop_word,
            "tokens_cached": used,
            "timings": timings_object(end.usage, end.timings),
            **more,
        }
        return {name: found for name in self.fields if (found := _nested(made, name)) is not None} or made

    def _settings(self) -> Object:
        job = self.job
        limit = -1 if job.max_tokens is None else job.max_tokens
        sampling = asdict(job.sampling)
        bias = [{"token": token, "bias": value} for token, value in sampling["logit_bias"].items()]
        return (
            sampling
            | _ADAPTIVE
            | {
                "seed": -1 if job.sampling.seed is None else job.sampling.seed,
                "logit_bias": bias,
                "stop": list(job.stop),
                "n_predict": limit,
                "max_tokens": limit,
                "n_probs": job.logprobs or 0,
                "stream": self.stream,
                "timings_per_token": self.timed,
            }
        )

    def _probabilities(self, entries: Iterable[Logprob]) -> Object:
        top = "top_probs" if self.job.post_sampling else "top_logprobs"
        made = [self._entry(entry.chosen) | {top: list(map(self._entry, entry.top))} for entry in entries]
        return {"completion_probabilities": made} if made else {}

    def _entry(self, choice: TokenChoice) -> Object:
        entry = {"id": choice.token, "token": choice.data.decode(errors="replace"), "bytes": list(choice.data)}
        if self.job.post_sampling:
            return entry | {"prob": math.exp(choice.logprob or 0.0)}
        return entry | {"logprob": choice.logprob}


def join_replies(objects: Sequence[Object], counts: Usage) -> Any:
    """Return the objects of several prompts as a list; one alone stays an object."""
    return list(objects) if len(objects) > 1 else objects[0]


def _nested(made: Mapping[str, Any], path: str) -> Any:
    """Return the value at ``path``, names with a slash between them; None without one."""
    value: Any = made
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
