"""Output of a command: JSON for scripts or text for people."""

import argparse
import json
import sys
from collections.abc import Mapping


def print_result(args: argparse.Namespace, report: Mapping[str, object], text: str) -> int:
    """Print ``report`` as one line of JSON with --json, else ``text``. Returns the exit status 0."""
    sys.stdout.write(json.dumps(report) + "\n" if args.json else text)
    sys.stdout.flush()
    return 0


def format_bytes(count: float) -> str:
    """Return a number of bytes for people: ``7.16 GB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def replace_control_characters(text: str, replacement: str = "", kept: str = "") -> str:
    """Return ``text`` without control characters except ``kept``, so that it cannot control the terminal."""
    return "".join(c if c.isprintable() or c in kept else replacement for c in text)
