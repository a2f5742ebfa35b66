"""Object and policies for tests of the fetch."""

import random
from dataclasses import replace

from function.fetch.policy import Policy

SIZE = 300_000  # bytes: 19 blocks, the last one shorter
DATA = random.Random(3).randbytes(SIZE)
QUICK = Policy(
    connections=4,
    min_block_bytes=16 << 10,
    max_block_bytes=16 << 10,
    max_request_bytes=64 << 10,
    buffer_bytes=8 << 10,
    min_gain_bytes=8 << 10,
    backoff_seconds=0.001,
    max_backoff_seconds=0.01,
    max_retry_after_seconds=0.05,
    stall_seconds=20.0,  # a busy machine is silent for seconds
    poll_seconds=0.02,
    max_attempts=5,
)
IMPATIENT = replace(QUICK, stall_seconds=0.5)  # for stores that fall silent
