"""Runner: Retry-After from the running reply, or from the load of the model."""

from collections.abc import Callable
from typing import cast

import pytest

from function.engine import Engine, Generation, Job
from function.errors import Stopping
from function.lifecycle.runner import DEFAULT_LOAD_SECONDS, Runner
from function.lifecycle.status import Status
from function.settings import Settings
from function.snapshot.manager import SnapshotManager


class SteadyGeneration(Generation):
    """Generation at a given speed."""

    speed: float | None = None

    @property
    def tokens_per_second(self) -> float | None:
        return self.speed


class SteadyEngine:
    """Engine whose generations have 100 tokens at most, of which 40 are made, at ``speeds`` in order."""

    def __init__(self, *speeds: float | None) -> None:
        self._speeds = iter(speeds)

    def submit(self, job: Job) -> Generation:
        generation = SteadyGeneration(job, max_tokens=100)
        generation.speed, generation.generated = next(self._speeds), 40
        return generation


def make_runner(status: Callable[[], Status] = lambda: Status("ready"), timeout: float = 600.0) -> Runner:
    settings = Settings(request_timeout=timeout)
    return Runner(settings, SnapshotManager(settings), status)


def run(runner: Runner, *speeds: float | None) -> int:
    """Start a reply for each of ``speeds``; return Retry-After during the last."""
    engine = cast(Engine, SteadyEngine(*speeds))
    for _ in speeds:
        runner.submit(engine, Job(prompt=(1, 2)))
    return runner.retry_after()


@pytest.mark.parametrize(("speed", "seconds"), [(10.0, 6), (11.0, 6), (12.0, 5), (1000.0, 1), (None, 1), (0.01, 600)])
def test_retry_after_is_the_time_that_the_running_reply_has_left(speed: float | None, seconds: int) -> None:
    assert run(make_runner(), speed) == seconds


def test_speed_of_the_last_reply_counts_during_the_next_prefill() -> None:
    runner = make_runner()
    assert run(runner, 10.0, None) == 6
    assert run(runner, None) == 6, "a reply without a second token has no speed"
    runner.forget_speed()
    assert runner.retry_after() == 1


@pytest.mark.parametrize(("eta", "seconds"), [(None, DEFAULT_LOAD_SECONDS), (0.2, 1), (7.2, 8)])
def test_retry_after_of_a_load_is_its_remaining_time(eta: float | None, seconds: int) -> None:
    assert make_runner(lambda: Status("loading", eta=eta)).retry_after() == seconds


def test_no_request_is_no_reason_to_wait() -> None:
    assert make_runner().retry_after() == 1


def test_stopped_runner_cancels_the_running_reply_and_rejects_others() -> None:
    runner, engine = make_runner(), cast(Engine, SteadyEngine(1.0, 1.0))
    running = runner.submit(engine, Job(prompt=(1, 2)))
    runner.stop(Stopping("The instance is shutting down."))
    assert running.end_reason == "cancelled"
    with pytest.raises(Stopping):
        runner.submit(engine, Job(prompt=(1, 2)))
