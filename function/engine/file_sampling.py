"""Sampling defaults that a GGUF carries under ``general.sampling``."""

import logging
from collections.abc import Callable
from dataclasses import replace

from function.engine.llama.sampling import Sampling
from function.errors import RequestError

log = logging.getLogger(__name__)

_KEYS = {
    "temp": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "penalty_last_n": "repeat_last_n",
    "penalty_repeat": "repeat_penalty",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
"""Last part of the GGUF key -> field of ``Sampling``."""


def read_sampling(metadata: Callable[[str], str | None], n_vocab: int) -> Sampling:
    """Return llama.cpp's defaults with those of the file in their place; invalid values of the file are ignored."""
    sampling = Sampling()
    for key, field in _KEYS.items():
        text = metadata(f"general.sampling.{key}")
        if text is None:
            continue
        try:
            changed = replace(sampling, **{field: type(getattr(sampling, field))(text)})
            changed.check(n_vocab)
        except (ValueError, RequestError):
            log.warning("general.sampling.%s is %r in the model's file; it is ignored", key, text)
        else:
            sampling = changed
    return sampling
