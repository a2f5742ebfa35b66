"""docs/tutorial.md: its commands and its program, run in their order."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers.doors import ROOT, WAIT_SECONDS, ServedFunction
from tests.servers.gated import gated_store
from tests.servers.process import free_port, running

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"(?ms)^```(sh|python)\n(.*?)^```$", TUTORIAL)
SERVE = re.compile(r"(?P<settings>.*)make run\n")
ADDRESS = "http://localhost:8080"


@dataclass
class TutorialReader:
    """Reader with two terminals: the first one serves, the second one asks."""

    home: Path
    env: dict[str, str]
    gate: threading.Event
    """Opens for the last bytes of the model on Hugging Face."""
    function: ServedFunction | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def serve(self, settings: str) -> None:
        """Stop the server, and start one as ``make run`` does."""
        self._stack.close()
        named = dict(each.split("=", 1) for each in shell_words(settings))
        port = free_port()
        env = {**self.env, "PORT": str(port), "N_THREADS": "1", **named}
        command = [sys.executable, "-m", "function", "run"]
        log = self.home / "log"
        server = self._stack.enter_context(running(command, port, log, env, cwd=ROOT))
        self.function = ServedFunction(server.url, log, server.process)

    def run(self, text: str) -> str:
        """Run a command of the second terminal; return its output."""
        address = self.function.url if self.function else ADDRESS
        text = text.replace(ADDRESS, address)
        text = re.sub(r"^\.venv/bin/python", sys.executable, text)
        output = self.home / "output"
        with output.open("wb") as out:
            process = subprocess.Popen(["sh", "-c", text], stdout=out, stderr=subprocess.PIPE, env=self.env, cwd=ROOT)
            if not self.gate.is_set():
                wait_for(output, ": fetching")
                self.gate.set()
            _, errors = process.communicate(timeout=WAIT_SECONDS)
        assert process.returncode == 0, errors
        return output.read_text()

    def close(self) -> None:
        """Stop the server."""
        self._stack.close()


def shell_words(text: str) -> list[str]:
    """Return the words of ``text`` as a shell reads them."""
    printed = subprocess.run(["sh", "-c", f"printf '%s\\n' {text}"], capture_output=True, text=True, check=True)
    return [word for word in printed.stdout.splitlines() if word]


def wait_for(path: Path, text: str) -> None:
    """Wait until the file contains ``text``."""
    deadline = time.monotonic() + WAIT_SECONDS
    while text not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.02)


@contextmanager
def reading(home: Path, model: Path, default_model: str) -> Iterator[TutorialReader]:
    """Yield the reader; ``model`` is the one on Hugging Face, ``default_model`` an empty text or its replacement."""
    with gated_store(model) as (uri, gate):
        gate.set()
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "MODEL_CACHE_DIR": str(home / "cache")}
        env |= {"HF_ENDPOINT": uri.removesuffix(urlsplit(uri).path), "MODEL_URI": default_model}
        reader = TutorialReader(home, env, gate)
        try:
            yield reader
        finally:
            gate.set()
            reader.close()


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["tiny", "real"])
def test_tutorial_works_from_its_beginning_to_its_end(real: bool, tiny_model: Path, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl here")
    outputs = []
    with reading(tmp_path, tiny_model, "" if real else str(tiny_model)) as reader:
        for language, text in BLOCKS:
            if language == "python":
                assert reader.function
                script = tmp_path / "program.py"
                script.write_text(text.replace(ADDRESS, reader.function.url))
                outputs.append(reader.run(f"{sys.executable} {script}"))
            elif serve := SERVE.fullmatch(text):
                if "hf://" in serve["settings"]:
                    reader.gate.clear()
                reader.serve(serve["settings"])
            else:
                outputs.append(reader.run(text))
        assert reader.function
        status, reply = reader.function.ask("/chat", {"prompt": "Without a key"})
        assert (status, reply["error"]["code"]) == (401, "invalid_api_key")
    doctor, _, completion, program, plan, cold, _, schema = outputs
    assert all(outputs)
    assert "packages" in doctor
    assert program.strip()
    assert all(part in plan for part in ("parameters", "Memory", "Instance sizes", "In US dollars"))
    comments = [line for line in cold.splitlines() if line.startswith(": ")]
    assert any(line.startswith(": fetching") for line in comments)
    assert cold.rstrip().endswith("data: [DONE]")
    for text in (completion, schema):
        assert json.loads(text)["choices"][0]["message"]["content"]
    if real:
        assert "Paris" in completion
        person = json.loads(json.loads(schema)["choices"][0]["message"]["content"])
        assert person["name"] == "Ann" and isinstance(person["age"], int)


def test_run_target_is_the_run_command() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"(?m)^run: install.*\n(?:\t.*\n)*\t@\$\(PY\) -m function run$", makefile)
