"""Chat templates of real models: those that llama.cpp tests with, from the sdist of the installed llama-cpp-python."""

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

_FOLDER = "vendor/llama.cpp/models/templates"
_PACKAGE = "llama-cpp-python"


@pytest.fixture(scope="session")
def real_templates() -> dict[str, str]:
    """Return the source of each template by its name; skip the test where the sdist cannot be had."""
    release = version(_PACKAGE)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    own = cache / "gguf-chat-function" / f"templates-{release}"
    uvs = cache.glob(f"uv/sdists-*/pypi/{_PACKAGE}/{release}/*/src/{_FOLDER}")
    folder = next((path for path in (own, *uvs) if path.is_dir()), None) or _download(release, own)
    return {path.stem: path.read_text() for path in sorted(folder.glob("*.jinja"))}


@pytest.fixture(scope="session")
def real_dialects(real_templates: dict[str, str]) -> dict[str, Dialect]:
    """Return the dialect of each real template that is valid."""
    learned = {}
    for name, source in real_templates.items():
        with contextlib.suppress(ModelError):
            learned[name] = learn(JinjaTemplate(source, bos="<s>", eos="</s>").render, source)
    return learned


def _download(release: str, folder: Path) -> Path:
    """Extract the templates from the package registry's sdist into ``folder``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        temporary = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", _PACKAGE]
        done = subprocess.run([*pip, f"{_PACKAGE}=={release}", "--dest", name], capture_output=True, text=True)
        archive = next(temporary.glob("*.tar.gz"), None)
        if done.returncode or archive is None:
            pytest.skip(f"the sdist of {_PACKAGE} cannot be downloaded: {done.stderr[-300:]}")
        extracted = temporary / "templates"
        extracted.mkdir()
        with tarfile.open(archive) as tar:
            for member in tar:
                path = Path(member.name)
                if path.suffix == ".jinja" and path.parent.as_posix().endswith(_FOLDER):
                    content = tar.extractfile(member)
                    assert content
                    (extracted / path.name).write_bytes(content.read())
        extracted.rename(folder)
    return folder
