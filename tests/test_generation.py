"""Generation: events for fast, slow and absent readers."""

import threading

from function.engine import Finished, Generation, Job, PrefillProgress, TextPiece, Timings, Usage
from function.errors import EngineError

DONE = Finished("stop", Usage(1, 1, 0), Timings(0.0, None, 0.0))


def generation(reader_timeout: float | None = None) -> Generation:
    return Generation(Job(prompt=(1,)), max_tokens=10, reader_timeout=reader_timeout)


def test_events_are_in_order_and_finished_repeats() -> None:
    made = generation()
    made.put(PrefillProgress(0, 1))
    made.put(TextPiece("a", 1))
    made.put(TextPiece("b", 2))
    made.finish(DONE)
    assert list(made) == [PrefillProgress(0, 1), TextPiece("a", 1), TextPiece("b", 2), DONE]
    assert made.next_event() == DONE
    assert list(made) == [DONE]


def test_next_event_returns_none_after_the_timeout() -> None:
    assert generation().next_event(timeout=0.01) is None


def test_waiting_reader_is_woken() -> None:
    made = generation()
    seen: list[object] = []
    reader = threading.Thread(target=lambda: seen.extend(made))
    reader.start()
    made.put(TextPiece("a", 1))
    made.finish(DONE)
    reader.join(60)
    assert seen == [TextPiece("a", 1), DONE]


def test_slow_reader_gets_all_text_in_few_events() -> None:
    made = generation()
    for done in range(1000):
        made.put(PrefillProgress(done, 1000))
    for number in range(1000):
        made.put(TextPiece(f"{number} ", number + 1))
    made.finish(DONE)
    events = list(made)
    assert len(events) < 100
    assert events[0] == PrefillProgress(999, 1000)
    texts = [event for event in events if isinstance(event, TextPiece)]
    assert "".join(event.text for event in texts) == "".join(f"{number} " for number in range(1000))
    assert texts[-1].tokens == 1000


def test_reader_that_stops_reading_cancels_the_job() -> None:
    made = generation(reader_timeout=0.0)
    made.put(TextPiece("a", 1))
    assert made.next_event() == TextPiece("a", 1)
    made.put(TextPiece("b", 2))
    while made.end_reason is None:
        made.put(TextPiece("c", 3))
    assert made.end_reason == "cancelled"
    assert made.abort_flag.value


def test_first_end_reason_counts() -> None:
    made = generation()
    made.end("deadline")
    made.cancel()
    assert made.end_reason == "deadline"


def test_cancel_after_the_end_changes_nothing() -> None:
    made = generation()
    made.finish(DONE)
    made.cancel()
    assert made.end_reason is None


def test_finished_callback_does_not_wait_for_the_reader() -> None:
    made, done = generation(), threading.Event()
    made.when_finished(done.set)
    made.put(TextPiece("a", 1))
    assert not done.is_set()
    made.finish(DONE)
    assert done.is_set()
    late = threading.Event()
    made.when_finished(late.set)
    assert late.is_set(), "also after the end"


def test_unstarted_job_ends_with_an_error() -> None:
    made = generation()
    made.fail(EngineError("The engine ended."))
    (last,) = made
    assert isinstance(last, Finished)
    assert (last.reason, str(last.error)) == ("error", "The engine ended.")
