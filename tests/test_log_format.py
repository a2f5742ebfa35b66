import io
import json
import logging
from collections.abc import Iterator

import pytest

from function.observability.log_format import configure_logging


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    logger = logging.getLogger("function")
    before = (logger.handlers, logger.level, logger.propagate)
    yield
    logger.handlers, logger.level, logger.propagate = before


def test_a_line_is_json_with_severity_message_and_what_extra_names() -> None:
    out = io.StringIO()
    configure_logging("INFO", out)
    logging.getLogger("function.x").info("loaded %s", "ä", extra={"code": "c"})
    line = json.loads(out.getvalue())
    assert (line["severity"], line["message"], line["code"]) == ("INFO", "loaded ä", "c")


def test_an_exception_stays_on_its_line() -> None:
    out = io.StringIO()
    configure_logging("INFO", out)
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("function").exception("failed")
    (line,) = out.getvalue().splitlines()
    assert "ValueError: no" in json.loads(line)["exception"]


def test_a_terminal_gets_text() -> None:
    out = Terminal()
    configure_logging("INFO", out)
    logging.getLogger("function").warning("careful")
    assert out.getvalue().endswith("W careful\n")


def test_the_level_holds_and_configuring_again_replaces() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("INFO", first)
    configure_logging("ERROR", second)
    logging.getLogger("function").warning("not told")
    logging.getLogger("function").error("told")
    assert first.getvalue() == ""
    assert "not told" not in second.getvalue()
