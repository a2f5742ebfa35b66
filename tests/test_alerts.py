"""Log lines that terraform/gcp/alerts.tf counts and measures, as the function writes them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.hcl import TERRAFORM
from tests.servers.doors import serving

ALERTS = (TERRAFORM / "gcp" / "alerts.tf").read_text()


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> list[dict[str, Any]]:
    """Return the log of an instance that starts and answers once."""
    tmp = tmp_path_factory.mktemp("alerts")
    with serving(tmp, MODEL_URI=str(tiny_model)) as function:
        assert function.ask("/chat", {"prompt": "hi", "max_tokens": 4})[0] == 200
        log = function.log
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


@pytest.mark.parametrize("event", re.findall(r'jsonPayload\.event=\\"(\w+)\\"', ALERTS))
def test_counted_event_is_logged_once(lines: list[dict[str, Any]], event: str) -> None:
    assert len([line for line in lines if line.get("event") == event]) == 1


@pytest.mark.parametrize("name", re.findall(r"EXTRACT\(jsonPayload\.(\w+)\)", ALERTS))
def test_measured_value_is_a_number(lines: list[dict[str, Any]], name: str) -> None:
    (value,) = [line[name] for line in lines if line.get("event") == "reply"]
    assert value > 0


def test_successful_start_and_reply_log_no_error(lines: list[dict[str, Any]]) -> None:
    assert {line["severity"] for line in lines} <= {"DEBUG", "INFO"}
