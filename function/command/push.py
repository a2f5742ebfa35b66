"""``python -m function push FILE URI``: upload a file to a bucket, with a checksum that a fetch can verify."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from function.command.output import format_bytes, print_result
from function.command.progress_bar import ProgressBar
from function.fetch import Progress
from function.source import upload_file

EXAMPLES = """\
examples:
  python -m function push model.gguf s3://bucket/
      under its own name, with a checksum
  python -m function push model.gguf gs://bucket/other.gguf
      a second time: skipped if the bucket has it
"""

STOPPED = "Stopped. Run the same command again to continue."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file to upload")
    parser.add_argument("uri", help="gs://bucket/name or s3://bucket/name; with / at the end it gets the file's name")


def run(args: argparse.Namespace) -> int:
    uri = args.uri + args.file.name if args.uri.endswith("/") else args.uri
    progress, began = Progress(), time.monotonic()
    with ProgressBar(args.file.name, progress):
        stored = upload_file(args.file, uri, start=progress.start, add=progress.add)
    seconds = time.monotonic() - began
    how = "was in the bucket already" if stored.skipped else f"in {seconds:.1f} s"
    text = f"{uri}: {format_bytes(stored.size)} {how}, {stored.digest or 'the store keeps no checksum'}\n"
    return print_result(args, {"uri": uri, **asdict(stored), "seconds": seconds}, text)
