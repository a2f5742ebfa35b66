"""Models for benches: random weights in real shapes, written once into the user's cache directory."""

import logging
import os
from pathlib import Path

from tools.models import Quant, write_model
from tools.shapes import SHAPES

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gguf-chat-function" / "models"


def model(shape: str, quant: Quant) -> Path:
    """Return the file of ``shape`` in ``quant``; write it if necessary."""
    logging.getLogger("gguf").setLevel(logging.WARNING)
    path = CACHE / f"{shape}-{quant}.gguf"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        write_model(part, SHAPES[shape], quant=quant)
        part.rename(path)
    return path


def prompt_text(words: int) -> str:
    """Return a text without repetition, of about two tokens a word."""
    return " ".join(f"{number * 7919 % 1000} and" for number in range(words))
