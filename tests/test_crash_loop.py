"""Crashes of workers: the next one loads from the cache and answers, until a crash loop ends with an error."""

import contextlib
import json
import os
import signal
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.errors import LoadCrashed
from function.lifecycle.crash_loop import MAX_DEATHS, CrashLoopGuard
from function.lifecycle.status import State
from function.system.limits import memory_limit
from tests.crashes import CONNECTION_ERRORS, ENDLESS, SEEDED, kill_worker
from tests.drip import worker
from tests.servers.doors import ServedFunction, Stream, serving
from tests.servers.gated import gated_store
from tools.models import write_model
from tools.shapes import Shape

ABORTING = ("tests.servers.aborting:app",)
WEDGING = ("tests.servers.wedging:app",)


def die(guard: CrashLoopGuard, *states: State) -> None:
    """Fork a process that loads the model up to the last of ``states``, and ends there."""
    process = os.fork()
    if not process:
        try:
            guard.begin("s3://models/m.gguf")
            for state in states:
                guard.enter(state)
        finally:
            os._exit(0)
    os.waitpid(process, 0)


def test_deaths_during_the_load_end_with_an_error_that_names_the_memory() -> None:
    guard = CrashLoopGuard()
    for _ in range(MAX_DEATHS):
        die(guard, "fetching", "loading")
    memory = memory_limit()
    assert memory is not None
    expected = rf"died {MAX_DEATHS} times in a row while it was loading.*\(it may use {memory / 1e9:.1f} GB\)\. Give it"
    with pytest.raises(LoadCrashed, match=expected) as e:
        guard.begin("s3://models/m.gguf")
    assert e.value.evidence["deaths"] == MAX_DEATHS


def test_deaths_after_a_load_or_before_one_that_succeeds_are_no_loop() -> None:
    guard = CrashLoopGuard()
    for _ in range(MAX_DEATHS):
        die(guard, "loading")
        die(guard, "loading", "ready")
    for _ in range(MAX_DEATHS - 1):
        die(guard, "loading")
    guard.begin("s3://models/m.gguf")
    guard.begin("s3://models/m.gguf")


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
def test_worker_that_dies_during_a_reply_is_replaced(
    door: str, number: signal.Signals, tmp_path: Path, slow_model: Path
) -> None:
    with serving(tmp_path, door, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        expected = function.ask("/chat", SEEDED)
        with Stream(function, ENDLESS) as stream:
            stream.until("data: {")
            kill_worker(function, number)
            with contextlib.suppress(*CONNECTION_ERRORS):
                assert "data: [DONE]" not in stream.rest()
        assert function.ask("/chat", SEEDED) == expected
        assert "the last worker died while it was ready" in function.log.read_text()


def test_abort_in_llama_cpp_costs_one_load_from_the_cache(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate):
        gate.set()
        with serving(tmp_path, after=ABORTING, MODEL_URI=uri) as function:
            expected = function.ask("/chat", SEEDED)
            gate.clear()  # from now on the store sends half a model, so that only the cache can answer
            for _ in range(2):
                with pytest.raises(CONNECTION_ERRORS):
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
    """A function that stays in ``loading``: its chat template does not arrive."""
    template = tmp_path / "template.jinja"
    template.write_text("{{ messages[0].content }}" + " " * 5000)
    with (
        gated_store(template) as (uri, _),
        serving(tmp_path, door, MODEL_URI=str(model), CHAT_TEMPLATE=uri) as function,
    ):
        yield function


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_load_that_kills_three_workers_fails_with_a_reason(door: str, tmp_path: Path, tiny_model: Path) -> None:
    with held_while_loading(tmp_path, tiny_model, door) as function:
        for _ in range(3):
            function.wait("loading")
            kill_worker(function)
        report = function.wait("failed")
        assert report["error"]["code"] == "model_load_crashed"
        assert "died 3 times in a row while it was loading" in report["error"]["message"]
        status, headers, text = function.exchange("/chat", SEEDED)
        assert (status, json.loads(text)["error"]["code"]) == (503, "model_load_crashed")
        assert headers["x-should-retry"] == "false"
        assert function.get("/health/live")[0] == 200


def test_two_deaths_in_a_load_do_not_fail_it(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri) as function:
        for _ in range(2):
            function.wait("fetching")
            kill_worker(function)
        gate.set()
        assert function.ask("/chat", SEEDED)[0] == 200
        assert function.log.read_text().count("the last worker died while it was fetching") == 2
        for _ in range(3):  # deaths of workers that served do not count
            kill_worker(function)
            assert function.ask("/chat", SEEDED)[0] == 200


def test_too_little_memory_for_the_context_is_an_error_message(tmp_path: Path) -> None:
    model = write_model(tmp_path / "roomy.gguf", Shape("roomy", 8, 512, 8, 8, 512, 1024, 1 << 20))
    limit = ("prlimit", f"--as={6 << 30}")
    with serving(tmp_path, before=limit, MODEL_URI=str(model), N_CTX=str(1 << 20)) as function:
        report = function.wait("failed")
        assert "N_CTX" in report["error"]["message"], report
        assert function.get("/health/live")[0] == 200


@pytest.mark.slow
def test_worker_killed_at_random_times_is_always_replaced(tmp_path: Path, slow_model: Path) -> None:
    import random

    chance = random.Random(4)
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        expected = function.ask("/chat", SEEDED)
        for _ in range(20):
            with contextlib.suppress(*CONNECTION_ERRORS, urllib.error.URLError):
                stream = Stream(function, ENDLESS)
                time.sleep(chance.uniform(0, 2))
                kill_worker(function)
                stream.close()
            assert function.ask("/chat", SEEDED) == expected
