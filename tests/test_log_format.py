import io
import json
import logging
from collections.abc import Iterator

import pytest

from function.observability.log_format import configure_logging


class TerminalStream(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    logger = logging.getLogger("function")
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


def test_json_line_has_severity_message_and_extra_fields() -> None:
    out = io.StringIO()
    configure_logging("INFO", out)
    logging.getLogger("function.x").info("loaded %s", "ä", extra={"code": "c"})
    line = json.loads(out.getvalue())
    assert (line["severity"], line["message"], line["code"]) == ("INFO", "loaded ä", "c")


def test_exception_stays_on_one_line() -> None:
    out = io.StringIO()
    configure_logging("INFO", out)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("function").exception("failed")
    (line,) = out.getvalue().splitlines()
    assert "ValueError: no" in json.loads(line)["exception"]


def test_terminal_gets_text() -> None:
    out = TerminalStream()
    configure_logging("INFO", out)
    logging.getLogger("function").warning("careful")
    assert out.getvalue().endswith("W careful\n")


def test_second_configuration_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("INFO", first)
    configure_logging("ERROR", second)
    logging.getLogger("function").warning("dropped")
    logging.getLogger("function").error("kept")
    assert first.getvalue() == ""
    assert "dropped" not in second.getvalue()
    assert "kept" in second.getvalue()


def test_error_on_lambda_is_counted_by_cloudwatch() -> None:
    out = io.StringIO()
    configure_logging("INFO", out, lambda_function="chat")
    logging.getLogger("function").info("fine")
    logging.getLogger("function").error("failed")
    fine, failed = map(json.loads, out.getvalue().splitlines())
    assert "_aws" not in fine
    (metric,) = failed["_aws"]["CloudWatchMetrics"]
    (dimension,) = metric["Dimensions"]
    assert failed["_aws"]["Timestamp"] > 0
    assert (metric["Namespace"], [each["Name"] for each in metric["Metrics"]]) == ("GgufChat", ["ErrorLines"])
    assert [failed[name] for name in dimension] == ["chat"]
    assert failed["ErrorLines"] == 1


def test_error_elsewhere_has_no_metric() -> None:
    out = io.StringIO()
    configure_logging("INFO", out)
    logging.getLogger("function").error("failed")
    assert "_aws" not in json.loads(out.getvalue())
