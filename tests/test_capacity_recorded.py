"""Recorded traffic: the function's own lines as clouds export them, and plain CSV."""

import csv
import json
from pathlib import Path

import pytest

from function.capacity.lengths import parse_lengths
from function.capacity.recorded import read_recording
from function.capacity.schedule import ping_minutes, ping_times
from function.errors import SettingsError

READY = {"event": "ready", "fetch": 3.0, "load": 0.5, "first_token": 4.0}
REPLIES = [
    {"event": "reply", "seconds": 10.0, "cold": True, "wait": 5.0, "prefill": 2.0, "prompt_tokens": 200,
     "cached_tokens": 0, "completion_tokens": 60, "tokens_per_second": 20.0},
    {"event": "reply", "seconds": 4.0, "cold": False, "prefill": 1.0, "prompt_tokens": 150, "cached_tokens": 50,
     "completion_tokens": 40, "tokens_per_second": 22.0},
    {"event": "refusal", "status": 429, "code": "busy", "seconds": 0.1},
]  # fmt: skip
TIMES = ["2026-03-03T10:00:10.000Z", "2026-03-03T10:05:04.000Z", "2026-03-03T10:05:04.100Z"]
TUESDAY = 86_400.0


def lines() -> list[dict[str, object]]:
    """Return the function's own lines, one of another event among them."""
    timed = [reply | {"time": time} for reply, time in zip(REPLIES, TIMES, strict=True)]
    return [READY | {"time": TIMES[0]}, {"event": "started", "time": TIMES[0]}, *timed]


def cloud_logging(path: Path) -> None:
    entries = [
        {"insertId": "x", "jsonPayload": line, "timestamp": "2027-01-01T00:00:00Z", "severity": "INFO"}
        for line in lines()
    ]
    path.write_text(json.dumps([*entries, {"textPayload": "a line of the platform", "timestamp": TIMES[0]}]))


def cloud_logging_lines(path: Path) -> None:
    path.write_text("\n".join(json.dumps({"jsonPayload": line}) for line in lines()))


def cloudwatch(path: Path) -> None:
    events = [{"timestamp": 1, "message": json.dumps(line) + "\n", "eventId": "1"} for line in lines()]
    path.write_text(json.dumps({"events": [*events, {"timestamp": 1, "message": "START RequestId: 1"}]}))


def cloudwatch_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("@timestamp", "@message"), *((TIMES[0], json.dumps(line)) for line in lines())])


def own_lines(path: Path) -> None:
    path.write_text("\n".join(json.dumps(line) for line in lines()) + "\nno JSON\n")


@pytest.mark.parametrize("write", [own_lines, cloud_logging, cloud_logging_lines, cloudwatch, cloudwatch_csv])
def test_exports_are_read_as_they_are(write: object, tmp_path: Path) -> None:
    assert callable(write)
    write(tmp_path / "log")
    recording = read_recording(tmp_path / "log")
    start = TUESDAY + 36_000
    assert recording.times.tolist() == pytest.approx([start, start + 300, start + 304])
    assert (recording.prompts.tolist(), recording.replies.tolist()) == ([200, 150], [60, 40])
    assert recording.cold_start_seconds == 4.5
    assert recording.prefill_per_second == 100
    assert recording.decode_per_second == 21
    assert recording.seconds == 2 * 86_400


@pytest.mark.parametrize(
    "text",
    [
        "time,prompt_tokens,completion_tokens\n2026-03-03T00:00:05Z,10,20\n2026-03-03T00:00:07Z,30,40\n",
        "Timestamp,other\n2026-03-03 00:00:05,x\n2026-03-03 00:00:07,y\n",
        "1772496007\n1772496005\n",
        "1772496007000,a\n1772496005000,b\n",
    ],
)
def test_csv_needs_only_times(text: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(text)
    recording = read_recording(tmp_path / "log.csv")
    assert recording.times.tolist() == [TUESDAY + 5, TUESDAY + 7]
    assert recording.prompts.tolist() == ([10, 30] if "prompt" in text else [])


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "{}", "[]", '{"event": "ready"}', "no log at all"])
def test_file_without_requests_is_rejected(text: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(text)
    with pytest.raises(SettingsError, match="has no requests"):
        read_recording(tmp_path / "log")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_recording(tmp_path / "missing")


def test_schedule_fires_as_cron_does() -> None:
    minutes = ping_minutes("*/10 7-18 * * 1-5")
    assert len(minutes) == 5 * 12 * 6
    assert (minutes[0], minutes[-1]) == (7 * 60, 4 * 1440 + 18 * 60 + 50)
    assert ping_minutes("30 6 * * 0") == ping_minutes("30 6 * * 7") == [6 * 1440 + 390]
    assert ping_minutes("0,5 8 * * *")[:2] == [480, 485]
    assert len(ping_times(minutes, 14 * 86_400)) == 2 * len(minutes)


@pytest.mark.parametrize("cron", ["* * * *", "*/10 7-25 * * *", "0 0 1 * *", "0 0 * 6 *", "x * * * *", "5-1 * * * *"])
def test_schedule_that_is_no_weekly_cron_is_rejected(cron: str) -> None:
    with pytest.raises(SettingsError):
        ping_minutes(cron)


@pytest.mark.parametrize("text", ["0", "-5", "many", "9:3", "exp:", "nan", "inf"])
def test_length_that_is_no_distribution_is_rejected(text: str) -> None:
    with pytest.raises(SettingsError, match="not a length"):
        parse_lengths(text)
