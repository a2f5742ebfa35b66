"""Chat templates and vocabularies of real models, which llama.cpp tests with, from the sdist of llama-cpp-python."""

import contextlib
import os
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

from function.dialect.learner import learn
from function.dialect.syntax import Dialect
from function.engine.template.template import JinjaTemplate
from function.errors import ModelError

_MODELS = Path("vendor/llama.cpp/models")
_PACKAGE = "llama-cpp-python"
_VOCABULARIES = "ggml-vocab-*.gguf"


@pytest.fixture(scope="session")
def real_templates() -> dict[str, str]:
    """Return the source of each template by its name; skip the test where the sdist cannot be had."""
    folder = _find("templates", "*.jinja")
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.jinja"))}


@pytest.fixture(scope="session")
def real_vocabularies() -> dict[str, Path]:
    """Return the files of vocabularies by their names; skip the test where the sdist cannot be had."""
    folder = _find("", _VOCABULARIES)
    return {path.stem.removeprefix("ggml-vocab-"): path for path in sorted(folder.glob(_VOCABULARIES))}


@pytest.fixture(scope="session")
def real_dialects(real_templates: dict[str, str]) -> dict[str, Dialect]:
    """Return the dialect of each real template that is valid."""
    learned = {}
    for name, source in real_templates.items():
        with contextlib.suppress(ModelError):
            learned[name] = learn(JinjaTemplate(source, bos="<s>", eos="</s>").render, source)
    return learned


def _find(folder: str, pattern: str) -> Path:
    """Return a folder with the files of ``folder``, in the models of llama.cpp, that match ``pattern``."""
    release = version(_PACKAGE)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    own = cache / "gguf-chat-function" / f"{folder or 'vocabularies'}-{release}"
    uvs = cache.glob(f"uv/sdists-*/pypi/{_PACKAGE}/{release}/*/src/{_MODELS / folder}")
    return next((path for path in (own, *uvs) if path.is_dir()), None) or _download(release, own, folder, pattern)


def _download(release: str, target: Path, folder: str, pattern: str) -> Path:
    """Extract files from the package registry's sdist into ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        temporary = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", _PACKAGE]
        done = subprocess.run([*pip, f"{_PACKAGE}=={release}", "--dest", name], capture_output=True, text=True)
        archive = next(temporary.glob("*.tar.gz"), None)
        if done.returncode or archive is None:
            pytest.skip(f"the sdist of {_PACKAGE} cannot be downloaded: {done.stderr[-300:]}")
        extracted = temporary / "extracted"
        extracted.mkdir()
        with tarfile.open(archive) as tar:
            for member in tar:
                path = Path(member.name)
                if path.match(pattern) and path.parent.as_posix().endswith((_MODELS / folder).as_posix()):
                    content = tar.extractfile(member)
                    assert content
                    (extracted / path.name).write_bytes(content.read())
        extracted.rename(target)
    return target
