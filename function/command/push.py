"""``python -m function push FILE URI``: a file into a bucket, stored with a checksum that a fetch can verify."""

import argparse
import json
import sys
import time
from pathlib import Path

from function.command.progress_bar import ProgressBar, bytes_of
from function.fetch import Progress
from function.source import upload_file

EXAMPLES = """\
examples:
  python -m function push model.gguf s3://bucket/             under its own name, with a checksum
  python -m function push model.gguf gs://bucket/other.gguf   again: skipped if it is there already
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file to store")
    parser.add_argument("uri", help="gs://bucket/name or s3://bucket/name; ending in / it takes the file's own name")
    parser.add_argument("--json", action="store_true", help="tell the outcome as one JSON object")


def run(args: argparse.Namespace) -> int:
    uri = args.uri + args.file.name if args.uri.endswith("/") else args.uri
    progress, began = Progress(), time.monotonic()
    with ProgressBar(args.file.name, progress):
        stored = upload_file(args.file, uri, start=progress.start, add=progress.add)
    seconds = time.monotonic() - began
    if args.json:
        told = {"uri": uri, "size": stored.size, "version": stored.version, "digest": stored.digest}
        sys.stdout.write(json.dumps({**told, "skipped": stored.skipped, "seconds": seconds}) + "\n")
    else:
        how = "was stored already" if stored.skipped else f"in {seconds:.1f} s"
        sys.stdout.write(f"{uri}: {bytes_of(stored.size)} {how}, {stored.digest or 'the store keeps no checksum'}\n")
    return 0
