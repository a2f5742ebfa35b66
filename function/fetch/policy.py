"""How hard the fetcher tries: every number in one place, with its unit and its reason."""

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The defaults are for object stores on a data centre's network; tests bring small ones."""

    connections: int = 16  # to begin with: S3 gives about 80 MB/s each, and a small instance's network is then full
    max_connections: int = 48  # where more brings more: 48 of 80 MB/s fill the widest network these platforms give
    worthwhile: float = 1.15  # times the rate before, that half as many connections again must bring
    review: float = 1.0  # seconds between looks at the rate: several round trips and requests
    laggard: int = 8  # times slower than the median of the others, and a connection is replaced
    fewest_to_compare: int = 4  # connections, below which a median says little
    min_block: int = (
        1 * MIB
    )  # bytes; what is journaled and verified as one; below this requests cost more than they move
    max_block: int = 8 * MIB  # bytes; what a crash loses per connection; S3's usual upload part
    blocks_per_connection: int = 8  # so that the last blocks spread over all connections
    max_request: int = 64 * MIB  # bytes asked for at once: at 80 MB/s under a second, so the plan can still change
    buffer: int = 1 << 20  # bytes read, checked and written at a time: fewer reads are fewer turns of the GIL
    attempts: int = 8  # of one range that gained little, then the error is told: with the waits about 20 s
    gain: int = 256 << 10  # bytes an attempt must bring to count as one that gets on
    refusals: int = 3  # whole objects sent for a range asked, then the object is taken in one piece
    restarts: int = 3  # after the object changed mid-way; something that changes faster cannot be served
    backoff: float = 0.2  # seconds before the second attempt, doubled by each, jittered
    max_backoff: float = 10.0  # seconds; a longer Retry-After is honoured up to max_retry_after
    max_retry_after: float = 60.0  # seconds
    stall: float = 8.0  # seconds without a byte before a connection is dropped: a store's slowest first byte is under 2
    tick: float = 0.1  # seconds between the supervisor's looks at cancellation and stalls
    farewell: float = 1.0  # seconds a cancelled worker gets; one that is still connecting ends by itself later
