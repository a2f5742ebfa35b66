"""DrainGate: a resource is freed after its readers have left, and admits no new ones."""

import threading

import pytest

from function.engine.drain_gate import DrainGate


def test_closed_gate_waits_for_readers_and_admits_none() -> None:
    gate = DrainGate(lambda: LookupError("gone"))
    closed, freed = threading.Event(), threading.Event()

    def free() -> None:
        gate.close()
        closed.set()
        gate.wait_until_empty()
        freed.set()

    with gate.enter(), gate.enter():
        thread = threading.Thread(target=free)
        thread.start()
        assert closed.wait(60)
        assert not freed.is_set()
        with pytest.raises(LookupError, match="gone"), gate.enter():
            pass
        with pytest.raises(LookupError, match="gone"), gate.hold_open():
            pass
    assert freed.wait(60)
    thread.join()


def test_close_returns_true_once() -> None:
    gate = DrainGate(RuntimeError)
    assert gate.close()
    assert not gate.close()


def test_error_inside_leaves_the_gate() -> None:
    gate = DrainGate(RuntimeError)
    with pytest.raises(KeyError), gate.enter():
        raise KeyError
    gate.close()
    gate.wait_until_empty()
