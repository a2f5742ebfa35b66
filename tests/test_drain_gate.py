"""What is freed is read by nobody, and not freed while it is read."""

import threading

import pytest

from function.engine.drain_gate import DrainGate


def test_it_waits_for_everybody_who_is_inside_and_lets_nobody_in() -> None:
    gate, freed = DrainGate(lambda: LookupError("gone")), threading.Event()

    def free() -> None:
        gate.close()
        gate.wait_until_empty()
        freed.set()

    with gate.enter(), gate.enter():
        thread = threading.Thread(target=free)
        thread.start()
        while not gate.closed:
            pass
        assert not freed.is_set()
        with pytest.raises(LookupError, match="gone"), gate.enter():
            pass
        with pytest.raises(LookupError, match="gone"), gate.hold_open():
            pass
    assert freed.wait(60)
    thread.join()


def test_it_is_closed_once() -> None:
    gate = DrainGate(RuntimeError)
    assert gate.close()
    assert not gate.close()


def test_an_error_inside_lets_it_out() -> None:
    gate = DrainGate(RuntimeError)
    with pytest.raises(KeyError), gate.enter():
        raise KeyError
    gate.close()
    gate.wait_until_empty()
