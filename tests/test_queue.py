import threading

import pytest

from function.errors import Busy
from function.lifecycle.queue import RequestQueue


def test_queue_serves_the_first_and_lets_size_requests_wait() -> None:
    queue = RequestQueue(2, lambda: 7)
    places = [queue.enter() for _ in range(3)]
    assert [place.ahead for place in places] == [0, 1, 2]
    with pytest.raises(Busy) as raised:
        queue.enter()
    assert raised.value.retry_after == 7
    assert raised.value.status == 429


def test_queue_of_size_zero_lets_no_request_wait() -> None:
    queue = RequestQueue(0, lambda: 1)
    place = queue.enter()
    with pytest.raises(Busy):
        queue.enter()
    place.leave()
    assert queue.enter().ahead == 0


def test_leaving_moves_later_tickets_up_in_order() -> None:
    queue = RequestQueue(5, lambda: 1)
    first, second, third = (queue.enter() for _ in range(3))
    second.leave()
    second.leave()
    assert third.ahead == 1
    first.leave()
    assert third.ahead == 0
    assert len(queue) == 1


def test_wait_ends_when_the_queue_moves() -> None:
    queue = RequestQueue(1, lambda: 1)
    first, second = queue.enter(), queue.enter()
    seen: list[int] = []
    waiter = threading.Thread(target=lambda: seen.append(second.wait(1, 3600)), daemon=True)
    waiter.start()
    first.leave()
    waiter.join(30)
    assert seen == [0], "long before its timeout"


def test_wait_ends_with_its_timeout() -> None:
    queue = RequestQueue(1, lambda: 1)
    queue.enter()
    assert queue.enter().wait(1, 0.01) == 1
