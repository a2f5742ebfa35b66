"""Model files for tests, written once per session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.models import write_model
from tools.shapes import SHAPES, Shape

SLOW = Shape("slow", 8, 512, 8, 2, 1408, 1024, 8192)
"""Large enough that a full context takes seconds to compute."""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model that loads and answers in milliseconds."""
    return write_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf", SHAPES["tiny"], name="tiny random")


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a model that is slow enough to interrupt."""
    path = write_model(tmp_path_factory.mktemp("slow") / "slow.gguf", SLOW)
    yield path
    path.unlink()
