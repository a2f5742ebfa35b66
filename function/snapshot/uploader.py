"""Program that stores a file in a bucket: ``python -m function.snapshot.uploader FILE``. Errors are JSON.

It reads the URI from the standard input, because arguments are visible to every process of the machine.
"""

import json
import sys
from pathlib import Path

from function.errors import FunctionError
from function.source import upload_file


def main(path: str, uri: str) -> int:
    """Upload the file. Returns the exit status."""
    try:
        upload_file(Path(path), uri, start=_ignore, add=_ignore)
    except FunctionError as e:
        sys.stdout.write(json.dumps(e.body()))
        return 1
    return 0


def _ignore(_: int) -> None:
    """Report no progress."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.stdin.read()))
