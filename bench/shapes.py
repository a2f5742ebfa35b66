"""The models that benches run: random weights in real shapes, written once into the user's cache directory."""

import logging
import os
from pathlib import Path

from tools.models import Quant, write_model
from tools.shapes import SHAPES

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gguf-chat-function" / "models"


def model(shape: str, quant: Quant) -> Path:
    """The file of ``shape`` in ``quant``, written if it is not there yet."""
    logging.getLogger("gguf").setLevel(logging.WARNING)
    path = CACHE / f"{shape}-{quant}.gguf"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        write_model(part, SHAPES[shape], quant=quant)
        part.rename(path)
    return path


def prompt_text(words: int) -> str:
    """A text that does not repeat, of about two tokens a word."""
    return " ".join(f"{number * 7919 % 1000} and" for number in range(words))
