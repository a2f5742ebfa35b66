"""Usage object of the Responses API."""

from function.engine import Usage
from function.web.reply.responses import usage_object


def test_usage_of_a_response_has_the_cached_tokens_and_none_written() -> None:
    assert usage_object(Usage(12, 5, 8, 3)) == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 17,
    }
