"""Format of log lines: JSON for Cloud Logging and CloudWatch, plain text on a terminal."""

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TextIO

from function.errors import redact
from function.settings import LogLevel
from function.system.terminal import Colour, paint

_PLAIN = frozenset(vars(logging.makeLogRecord({})))
COLOURS: tuple[tuple[int, Colour], ...] = ((logging.ERROR, "red"), (logging.WARNING, "yellow"), (0, "grey"))
"""Least severe level of each colour."""
_CLOUD = "logging.googleapis.com"
METRIC_NAMESPACE = "GgufChat"
"""Namespace of the metrics in CloudWatch; terraform/aws/alarms.tf names it."""
request_fields: ContextVar[Mapping[str, object]] = ContextVar("request_fields", default={})  # noqa: B039  never mutated
"""Fields of each line that is logged while a request is handled: its id, trace, span, and ``sampled``."""


class PlainLines(logging.Formatter):
    """Plain text for a terminal, with the time in the colour of the severity."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__("%(asctime)s %(levelname).1s %(message)s", "%H:%M:%S")
        self._stream = stream

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  logging's name
        colour: Colour = next(colour for level, colour in COLOURS if record.levelno >= level)
        return paint(super().formatTime(record, datefmt), colour, self._stream)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of one record, without secrets."""
        return redact(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object per line: severity, message, time, logger, the request's id and trace, and the ``extra`` fields.

    With ``project``, a Google Cloud project, the trace has the names by which Cloud Logging links logs and traces.
    With ``lambda_function``, a function's name, CloudWatch counts the lines of severity ERROR and above in the metric
    ErrorLines.
    """

    def __init__(self, project: str | None = None, lambda_function: str | None = None) -> None:
        super().__init__()
        self._project = project
        self._lambda_function = lambda_function

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of one record, without secrets."""
        line: dict[str, object] = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "logger": record.name,
        }
        line |= self._rename_trace(request_fields.get())
        line |= {key: value for key, value in vars(record).items() if key not in _PLAIN and key not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if self._lambda_function is not None and record.levelno >= logging.ERROR:
            line |= _embedded_metric(self._lambda_function, record.created)
        return redact(json.dumps(line, ensure_ascii=False, default=str))

    def _rename_trace(self, fields: Mapping[str, object]) -> Mapping[str, object]:
        if self._project is None or "trace" not in fields:
            return fields
        return {
            "request_id": fields["request_id"],
            f"{_CLOUD}/trace": f"projects/{self._project}/traces/{fields['trace']}",
            f"{_CLOUD}/spanId": fields["span"],
            f"{_CLOUD}/trace_sampled": fields["sampled"],
        }


def _embedded_metric(lambda_function: str, created: float) -> dict[str, object]:
    """Return the fields that make a line one count of ErrorLines, in CloudWatch's embedded metric format."""
    metric = {
        "Namespace": METRIC_NAMESPACE,
        "Dimensions": [["FunctionName"]],
        "Metrics": [{"Name": "ErrorLines", "Unit": "Count"}],
    }
    return {
        "_aws": {"Timestamp": int(created * 1000), "CloudWatchMetrics": [metric]},
        "FunctionName": lambda_function,
        "ErrorLines": 1,
    }


def configure_logging(
    level: LogLevel,
    stream: TextIO = sys.stderr,
    project: str | None = None,
    lambda_function: str | None = None,
) -> None:
    """Send the log lines of this package to ``stream``. A second call replaces the first."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainLines(stream) if stream.isatty() else JsonLines(project, lambda_function))
    logger = logging.getLogger("function")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
