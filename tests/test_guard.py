"""What is freed is read by nobody, and not freed while it is read."""

import threading

import pytest

from function.engine.drain_gate import DrainGate


def test_it_waits_for_everybody_who_is_inside_and_lets_nobody_in() -> None:
    guard, freed = DrainGate(lambda: LookupError("gone")), threading.Event()

    def free() -> None:
        guard.close()
        guard.await_empty()
        freed.set()

    with guard.inside(), guard.inside():
        thread = threading.Thread(target=free)
        thread.start()
        while not guard.closed:
            pass
        assert not freed.is_set()
        with pytest.raises(LookupError, match="gone"), guard.inside():
            pass
        with pytest.raises(LookupError, match="gone"), guard.held():
            pass
    assert freed.wait(60)
    thread.join()


def test_it_is_closed_once() -> None:
    guard = DrainGate(RuntimeError)
    assert guard.close()
    assert not guard.close()


def test_an_error_inside_lets_it_out() -> None:
    guard = DrainGate(RuntimeError)
    with pytest.raises(KeyError), guard.inside():
        raise KeyError
    guard.close()
    guard.await_empty()
