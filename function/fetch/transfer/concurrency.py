"""How many connections are worth having, and which of them are not: judged by what they bring. Pure."""

import statistics
from collections.abc import Mapping
from typing import TypeVar

from function.fetch.policy import Policy

K = TypeVar("K")


class ConcurrencyProbe:
    """Connections by trial: half as many again for as long as that brings clearly more, fewer when a store is busy."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._before: float | None = None  # bytes per second before the last step up
        self._settled = False
        self.connections = policy.connections

    def review(self, rate: float) -> int:
        """``rate``: bytes per second since the last review. Returns the connections to have from now on."""
        if self._settled:
            return self.connections
        if self._before is not None and rate < self._before * self._policy.worthwhile:
            self._settled = True
            return self.connections
        self._before = rate
        self.connections = min(self._policy.max_connections, self.connections + max(1, self.connections // 2))
        self._settled = self.connections == self._policy.max_connections
        return self.connections

    def back_off(self) -> int:
        """The store asked for fewer requests: a quarter less, and no more trials."""
        self._settled = True
        self.connections = max(1, self.connections - max(1, self.connections // 4))
        return self.connections


def laggards(received: Mapping[K, int], policy: Policy) -> set[K]:
    """Of connections that were busy all the time, those that brought far less than their like."""
    if len(received) < policy.fewest_to_compare:
        return set()
    line = statistics.median(received.values()) / policy.laggard
    return {key for key, count in received.items() if count < line}
