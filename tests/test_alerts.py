"""Log lines that terraform/gcp/alerts.tf and terraform/aws/alarms.tf count and measure, as the function writes them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from function.observability.log_format import METRIC_NAMESPACE
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


def test_alarm_names_the_metric_of_error_lines() -> None:
    alarms = (TERRAFORM / "aws" / "alarms.tf").read_text()
    assert f'"error_lines" ? "{METRIC_NAMESPACE}"' in alarms
    assert 'metric = "ErrorLines"' in alarms


def test_ping_of_a_failed_model_fails_and_is_logged_as_an_error(tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tmp_path / "missing.gguf"), AWS_LAMBDA_FUNCTION_NAME="chat") as function:
        assert function.ask("/events", {})[0] == 503
        log = function.log
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (ping,) = [line for line in lines if line.get("event") == "warmup_failed"]
    assert ping["severity"] == "ERROR"
    assert ping["ErrorLines"] == 1
