"""When a request must be answered, on ``time.monotonic()``'s clock."""

import json
import time
from collections.abc import Mapping

LAMBDA_CONTEXT = "x-amzn-lambda-context"
MARGIN = 1.0
"""Seconds before Lambda's own deadline: what the last event needs to get out."""


def deadline(headers: Mapping[str, str], timeout: float) -> float:
    """``timeout`` seconds from now, or less where the platform ends the request earlier.

    Lambda's web adapter hands the deadline over in a header, in milliseconds since the epoch; one that cannot be read
    is as good as none.
    """
    left = timeout
    try:
        context = json.loads(headers.get(LAMBDA_CONTEXT) or "{}")
        if isinstance(context, dict) and (until := context.get("deadline")) is not None:
            left = min(left, float(until) / 1000 - time.time() - MARGIN)
    except (TypeError, ValueError):
        pass
    return time.monotonic() + max(0.0, left)
