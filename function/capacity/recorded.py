"""Recorded traffic: arrival times and lengths from the function's log lines, exported by a cloud, or from a CSV."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from function.capacity.traffic import WEEK_SECONDS, Floats
from function.errors import SettingsError

_TIME_NAMES = ("time", "timestamp", "arrival", "@timestamp", "date")


@dataclass(frozen=True)
class Recording:
    """Traffic of a log.

    ``times``: ascending seconds from the Monday 00:00 UTC before the first request. ``prompts``, ``replies``: tokens
    per request, empty where the log has none. Speeds are None where no line tells them.
    """

    times: Floats
    prompts: Floats
    replies: Floats
    cold_start_seconds: float | None = None
    prefill_per_second: float | None = None
    decode_per_second: float | None = None

    @property
    def seconds(self) -> float:
        """Length of the period: whole days after its first Monday."""
        return float(-(-self.times[-1] // 86_400) * 86_400) or 86_400.0


def read_recording(path: Path) -> Recording:
    """Read a log or CSV.

    Formats: JSON lines of the function; exports of Cloud Logging (JSON array or lines, fields in ``jsonPayload``) and
    CloudWatch (``filter-log-events`` JSON, or CSV with ``@timestamp,@message``); any CSV with a column of times
    (ISO 8601, or seconds or milliseconds since 1970) and, if there are, ``prompt_tokens`` and ``completion_tokens``.
    Raises SettingsError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise SettingsError(f"{path} cannot be read ({e}).", path=str(path)) from e
    entries = list(_json_entries(text) if text.lstrip()[:1] in ("{", "[") else _csv_entries(text))
    recording = _recording(entries)
    if recording is None:
        raise SettingsError(
            f"{path} has no requests: give log lines of the function (event reply, refusal or cancelled), an export of "
            f"Cloud Logging or CloudWatch, or a CSV with a column named {', '.join(_TIME_NAMES[:3])}.",
            path=str(path),
        )
    return recording


def _json_entries(text: str) -> Iterator[Mapping[str, Any]]:
    try:
        documents = [json.loads(text)]
    except ValueError:
        documents = [entry for line in text.splitlines() if (entry := _parsed(line)) is not None]
    for document in documents:
        if isinstance(document, dict) and isinstance(document.get("events"), list):
            document = document["events"]
        for entry in document if isinstance(document, list) else [document]:
            if isinstance(entry, dict):
                yield _flattened(entry)


def _flattened(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the function's own fields of one exported entry, with the entry's time where they bring none."""
    inner = entry.get("jsonPayload")
    if not isinstance(inner, dict):
        inner = _parsed(str(entry.get("message", entry.get("@message", ""))))
    outer = {name: entry[name] for name in _TIME_NAMES if name in entry}
    fields: Mapping[str, Any] = inner or (entry if "event" in entry else {"event": "other"})
    return {**outer, **fields}


def _parsed(text: str) -> dict[str, Any] | None:
    found = re.search(r"\{.*\}", text, re.DOTALL)
    try:
        value = json.loads(found[0]) if found else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _csv_entries(text: str) -> Iterator[Mapping[str, Any]]:
    lines = text.splitlines()
    rows: Iterable[Mapping[str, Any]] = csv.DictReader(lines)
    if lines and _seconds(lines[0].split(",")[0]) is not None:  # no header: the first column is the time
        rows = ({"time": line.split(",")[0]} for line in lines)
    for row in rows:
        named = {str(name).strip().lower(): value for name, value in row.items()}
        yield _flattened(named) if "@message" in named else named


def _recording(entries: Iterable[Mapping[str, Any]]) -> Recording | None:
    arrivals: list[tuple[float, float | None, float | None]] = []
    cold, prefill, decode = [], [], []
    for entry in entries:
        event = entry.get("event")
        if event == "ready" and (start := _number(entry.get("first_token", entry.get("seconds")))):
            cold.append(start)
        if event not in (None, "reply", "refusal", "cancelled"):
            continue
        at = next((time for name in _TIME_NAMES if (time := _seconds(entry.get(name))) is not None), None)
        if at is None:
            continue
        prompt, reply = _number(entry.get("prompt_tokens")), _number(entry.get("completion_tokens"))
        arrivals.append((at - (_number(entry.get("seconds")) or 0.0 if event else 0.0), prompt, reply))
        if waited := _number(entry.get("wait")):
            cold.append(waited)
        read = (prompt or 0) - (_number(entry.get("cached_tokens")) or 0)
        if read > 0 and (seconds := _number(entry.get("prefill"))):
            prefill.append(read / seconds)
        if speed := _number(entry.get("tokens_per_second")):
            decode.append(speed)
    if not arrivals:
        return None
    arrivals.sort(key=lambda arrival: arrival[0])
    first = datetime.fromtimestamp(arrivals[0][0], UTC)
    monday = arrivals[0][0] - (first.weekday() * 86_400 + first.hour * 3600 + first.minute * 60 + first.second)
    monday = float(int(monday))
    assert arrivals[0][0] - monday < WEEK_SECONDS + 1
    return Recording(
        np.array([at - monday for at, _, _ in arrivals]),
        np.array([prompt for _, prompt, _ in arrivals if prompt]),
        np.array([reply for _, _, reply in arrivals if reply]),
        median(cold) if cold else None,
        median(prefill) if prefill else None,
        median(decode) if decode else None,
    )


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]  # strings, numbers, or refused
    except (TypeError, ValueError):
        return None


def _seconds(value: object) -> float | None:
    """Return a time as seconds since 1970; numbers above 1e11 are milliseconds."""
    number = _number(value)
    if number is not None:
        return number / 1000 if number > 1e11 else number
    try:
        at = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
