"""Policy of the fetch: every number in one place with its unit and reason, retries, and the number of connections."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from function.errors import ObjectChanged, SourceError
from function.source import TRANSIENT_STATUSES

MIB = 1 << 20
Key = TypeVar("Key")
RANGE_NOT_SATISFIABLE = 416  # wrong for a range inside the object, so it may be a passing fault of the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Numbers of a fetch. The defaults suit object stores on a data centre's network; tests use small ones."""

    connections: int = 16  # at the start: S3 gives about 80 MB/s each, which fills a small instance's network
    max_connections: int = 48  # 48 of 80 MB/s fill the widest network of these platforms
    min_speedup: float = 1.15  # times the previous rate, required of half as many connections again
    review_seconds: float = 1.0  # between two looks at the rate: several round trips and requests
    laggard_factor: int = 8  # times slower than the median of the others: the connection is replaced
    min_compared_connections: int = 4  # a median of fewer means little
    min_block_bytes: int = 1 * MIB  # journaled and verified as one; smaller requests cost more than they move
    max_block_bytes: int = 8 * MIB  # lost per connection in a crash; S3's usual upload part
    first_bytes: int = 8 * MIB  # the header, a block a request: the engine is set up with it during the rest
    blocks_per_connection: int = 8  # so that the last blocks spread over all connections
    max_request_bytes: int = 64 * MIB  # at 80 MB/s under a second, so the plan can still change
    native: bool = True  # receive without the interpreter's lock where the library for that is installed
    native_buffer_bytes: int = 128 << 10  # read, checked and written at a time: fits into a core's cache
    buffer_bytes: int = 1 * MIB  # the same in Python: fewer reads need the interpreter's lock less often
    max_attempts: int = 8  # of one range that gained little, then the error is raised: about 20 s with the waits
    min_gain_bytes: int = 256 << 10  # an attempt with less gained little
    max_range_rejections: int = 3  # responses with the whole object, then it is fetched in one piece
    max_restarts: int = 3  # after the object changed midway; an object that changes faster cannot be served
    backoff_seconds: float = 0.2  # before the second attempt, doubled by each, jittered
    max_backoff_seconds: float = 10.0  # a longer Retry-After is honoured up to max_retry_after_seconds
    max_retry_after_seconds: float = 60.0
    stall_seconds: float = 8.0  # without a byte, then the connection is closed: a slow first byte takes under 2 s
    silence_seconds: float = 50.0  # without a byte on any connection and with all retries, then the fetch fails
    describe_seconds: float = 45.0  # for the description of all files, with its retries
    poll_seconds: float = 0.1  # between the supervisor's looks at cancellation and stalls
    join_seconds: float = 1.0  # for a cancelled worker to end; one that is still connecting ends by itself later

    def choose_block_bytes(self, size: int) -> int:
        """Return the bytes per block of an object: as large as possible with several blocks for every connection."""
        block = self.min_block_bytes
        while block * 2 <= self.max_block_bytes and block * 2 * self.connections * self.blocks_per_connection <= size:
            block *= 2
        return block

    def retry_delay(self, attempt: int, error: SourceError) -> float:
        """Return the seconds to wait after failure number ``attempt`` (from 1): doubled, jittered, or as requested."""
        wait: float = min(self.max_backoff_seconds, self.backoff_seconds * 2 ** (attempt - 1))
        wait *= random.uniform(0.5, 1.0)  # noqa: S311  # spreads retries, no security
        requested = error.evidence.get("retry_after") or 0.0
        return max(wait, min(float(requested), self.max_retry_after_seconds))


def is_transient(error: SourceError) -> bool:
    """Return True if the same request may succeed a moment later."""
    if isinstance(error, ObjectChanged) or error.permanent:
        return False
    status = error.evidence.get("status_code")
    return status is None or status in TRANSIENT_STATUSES or status == RANGE_NOT_SATISFIABLE


class ConcurrencyProbe:
    """Number of connections by trial: half as many again while the rate grows, fewer when a store is overloaded."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._previous_rate: float | None = None
        self._settled = False
        self.connections = policy.connections

    def review(self, rate: float) -> int:
        """Return the new number of connections for ``rate``, the bytes per second since the last review."""
        if self._settled:
            return self.connections
        if self._previous_rate is not None and rate < self._previous_rate * self._policy.min_speedup:
            self._settled = True
            return self.connections
        self._previous_rate = rate
        self.connections = min(self._policy.max_connections, self.connections + max(1, self.connections // 2))
        self._settled = self.connections == self._policy.max_connections
        return self.connections

    def back_off(self) -> int:
        """Give up a quarter of the connections and all trials, because the store requested fewer requests."""
        self._settled = True
        self.connections = max(1, self.connections - max(1, self.connections // 4))
        return self.connections


def find_laggards(received: Mapping[Key, int], policy: Policy) -> set[Key]:
    """Return the connections that received far less than the median of all that were busy throughout."""
    if len(received) < policy.min_compared_connections:
        return set()
    counts = sorted(received.values())  # the import of ``statistics`` would delay every cold start
    median = (counts[(len(counts) - 1) // 2] + counts[len(counts) // 2]) / 2
    threshold = median / policy.laggard_factor
    return {key for key, count in received.items() if count < threshold}
