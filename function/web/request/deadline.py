"""When a request must be answered, on ``time.monotonic()``'s clock."""

import json
import time

LAMBDA_CONTEXT = "x-amzn-lambda-context"
"""The header in which Lambda's web adapter hands over the invocation's context, deadline included."""
MARGIN = 1.0
"""Seconds before Lambda's own deadline: what the last event needs to get out."""


def deadline(lambda_context: str | None, timeout: float) -> float:
    """``timeout`` seconds from now, or less where Lambda ends the request earlier.

    Lambda's deadline is in milliseconds since the epoch; one that cannot be read is as good as none.
    """
    left = timeout
    try:
        context = json.loads(lambda_context or "{}")
        if isinstance(context, dict) and (until := context.get("deadline")) is not None:
            left = min(left, float(until) / 1000 - time.time() - MARGIN)
    except (TypeError, ValueError):
        pass
    return time.monotonic() + max(0.0, left)
