import json
import time

import pytest

from function.web.deadline import deadline


def left(context: str | None, timeout: float) -> float:
    return deadline(context, timeout) - time.monotonic()


def test_the_setting_bounds_a_request() -> None:
    assert 99 < left(None, 100) <= 100


def test_the_platforms_deadline_comes_first_with_a_margin() -> None:
    context = json.dumps({"deadline": int((time.time() + 60) * 1000)})
    assert 50 < left(context, 600) < 59.1
    assert 9 < left(context, 10) <= 10


def test_a_deadline_that_is_over_is_now() -> None:
    assert left('{"deadline": 1}', 600) <= 0


@pytest.mark.parametrize("context", ["", "{", "[]", '{"deadline": "soon"}', '{"deadline": null}', "7"])
def test_what_cannot_be_read_is_as_good_as_none(context: str) -> None:
    assert left(context, 100) > 99
