"""Log lines: JSON that Cloud Logging and CloudWatch understand, plain text on a terminal."""

import json
import logging
import sys
import time
from typing import TextIO

from function.settings import LogLevel

_PLAIN = frozenset(vars(logging.makeLogRecord({})))


class JsonLines(logging.Formatter):
    """One JSON object a line: severity, message, time, logger, and what ``extra`` named."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of one record."""
        line = {
            "severity": record.levelname,
            "message": record.getMessage(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "logger": record.name,
        }
        line |= {key: value for key, value in vars(record).items() if key not in _PLAIN and key not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(level: LogLevel, stream: TextIO = sys.stderr) -> None:
    """Send this package's log lines to ``stream``. Calling it again replaces what it set."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname).1s %(message)s", "%H:%M:%S") if stream.isatty() else JsonLines()
    )
    logger = logging.getLogger("function")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
