"""Workers that die: another comes, loads from the cache, answers; and one that would only die again says why."""

import contextlib
import http.client
import json
import os
import signal
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.descendants import descendants
from tests.servers.doors import PATIENCE, ServedFunction, Stream, serving
from tests.servers.gated import gated_store
from tools.models import write_model
from tools.shapes import Shape

SEEDED: dict[str, Any] = {"prompt": "hi", "seed": 7, "max_tokens": 12}
ENDLESS: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}
CUT = (OSError, http.client.HTTPException)
ABORTING = ("tests.servers.aborting:app",)
WEDGING = ("tests.servers.wedging:app",)


def worker(function: ServedFunction) -> int:
    """The process that serves."""
    until = time.monotonic() + PATIENCE
    while not (children := descendants(function.process.pid)):
        assert time.monotonic() < until, function.log.read_text()
        time.sleep(0.02)
    return children[0]


def kill(function: ServedFunction, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill the worker, and wait until it is gone."""
    process = worker(function)
    os.kill(process, number)
    until = time.monotonic() + PATIENCE
    while process in descendants(function.process.pid):
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("door", "number"),
    [
        ("gunicorn", signal.SIGKILL),
        ("gunicorn", signal.SIGSEGV),
        ("gunicorn", signal.SIGABRT),
        ("functions-framework", signal.SIGKILL),
        ("functions-framework", signal.SIGSEGV),
    ],
)
def test_a_worker_that_dies_in_a_reply_is_replaced(
    door: str, number: signal.Signals, tmp_path: Path, slow_model: Path
) -> None:
    with serving(tmp_path, door, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        expected = function.ask("/chat", SEEDED)
        with Stream(function, ENDLESS) as stream:
            stream.until("data: {")
            kill(function, number)
            with contextlib.suppress(*CUT):
                assert "data: [DONE]" not in stream.rest()
        assert function.ask("/chat", SEEDED) == expected
        assert "the last worker died while it was ready" in function.log.read_text()


def test_an_abort_inside_llama_cpp_costs_one_load_from_the_cache(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate):
        gate.set()
        with serving(tmp_path, after=ABORTING, MODEL_URI=uri) as function:
            expected = function.ask("/chat", SEEDED)
            gate.clear()  # from now on the store gives half a model: it is the cache, or no answer
            for _ in range(2):
                with pytest.raises(CUT):
                    function.ask("/abort", {})
                assert function.ask("/chat", SEEDED) == expected
            assert function.get("/health/ready")[0] == 200
        assert "an assertion that fails" in function.log.read_text()


def test_template_that_computes_forever_costs_no_worker(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, after=WEDGING, MODEL_URI=str(tiny_model)) as function:
        expected = function.ask("/chat", SEEDED)
        before = worker(function)
        status, _, text = function.exchange("/wedge", {})
        assert (status, json.loads(text)["error"]["param"]) == (400, "messages")
        assert "more than 1 seconds in a single operation" in text
        assert function.ask("/chat", SEEDED) == expected
        assert worker(function) == before


@contextlib.contextmanager
def held_while_loading(tmp_path: Path, model: Path, door: str) -> Iterator[ServedFunction]:
    """A function that does not get beyond ``loading``: its chat template does not arrive."""
    template = tmp_path / "template.jinja"
    template.write_text("{{ messages[0].content }}" + " " * 5000)
    with (
        gated_store(template) as (uri, _),
        serving(tmp_path, door, MODEL_URI=str(model), CHAT_TEMPLATE=uri) as function,
    ):
        yield function


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_a_load_that_kills_every_worker_is_given_up_with_a_reason(door: str, tmp_path: Path, tiny_model: Path) -> None:
    with held_while_loading(tmp_path, tiny_model, door) as function:
        for _ in range(3):
            function.wait("loading")
            kill(function)
        told = function.wait("failed")
        assert told["error"]["code"] == "model_load_crashed"
        assert "died 3 times in a row while it was loading" in told["error"]["message"]
        status, headers, text = function.exchange("/chat", SEEDED)
        assert (status, json.loads(text)["error"]["code"]) == (503, "model_load_crashed")
        assert headers["x-should-retry"] == "false"
        assert function.get("/health/live")[0] == 200


def test_one_death_in_a_load_is_not_the_end(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri) as function:
        for _ in range(2):
            function.wait("fetching")
            kill(function)
        gate.set()
        assert function.ask("/chat", SEEDED)[0] == 200
        assert function.log.read_text().count("the last worker died while it was fetching") == 2
        for _ in range(3):  # deaths of workers that served do not add to those that did not
            kill(function)
            assert function.ask("/chat", SEEDED)[0] == 200


def test_too_little_memory_for_the_context_is_a_sentence(tmp_path: Path) -> None:
    model = write_model(tmp_path / "roomy.gguf", Shape("roomy", 8, 512, 8, 8, 512, 1024, 1 << 20))
    limit = ("prlimit", f"--as={6 << 30}")
    with serving(tmp_path, before=limit, MODEL_URI=str(model), N_CTX=str(1 << 20)) as function:
        told = function.wait("failed")
        assert "N_CTX" in told["error"]["message"], told
        assert function.get("/health/live")[0] == 200


@pytest.mark.slow
def test_killed_at_random_moments_it_always_comes_back(tmp_path: Path, slow_model: Path) -> None:
    import random

    chance = random.Random(4)
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        expected = function.ask("/chat", SEEDED)
        for _ in range(20):
            with contextlib.suppress(*CUT, urllib.error.URLError):
                stream = Stream(function, ENDLESS)
                time.sleep(chance.uniform(0, 2))
                kill(function)
                stream.close()
            assert function.ask("/chat", SEEDED) == expected
