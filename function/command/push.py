"""``python -m function push FILE URI``: upload a file to a bucket, with a checksum that a fetch can verify."""

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from function.command.output import format_bytes, print_result
from function.command.progress_bar import ProgressBar
from function.errors import UnknownScheme
from function.fetch import Progress
from function.source import list_parts, upload_file

EXAMPLES = """\
examples:
  python -m function push model.gguf s3://bucket/
      under its own name, with a checksum
  python -m function push model.gguf gs://bucket/other.gguf
      a second time: skipped if the bucket has it
"""

STOPPED = "Stopped. Run the same command again to continue."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file to upload; one of a split model stands for all of them")
    parser.add_argument("uri", help="gs://bucket/name or s3://bucket/name; with / at the end it gets the file's name")


def run(args: argparse.Namespace) -> int:
    files = [Path(part) for part in list_parts(str(args.file))]
    uri = args.uri + files[0].name if args.uri.endswith("/") else args.uri
    uris = list_parts(uri)
    if len(uris) != len(files):
        raise UnknownScheme(f"{uri}: {args.file} is one of {len(files)} files. End the URI with a /.", uri=uri)
    began, parts, lines = time.monotonic(), [], []
    for file, target in zip(files, uris, strict=True):
        progress = Progress()
        with ProgressBar(file.name, progress):
            stored = upload_file(file, target, start=progress.start, add=progress.add)
        how = "was in the bucket already" if stored.skipped else f"in {progress.seconds:.1f} s"
        lines.append(f"{target}: {format_bytes(stored.size)} {how}, {stored.digest or 'the store keeps no checksum'}\n")
        parts.append({"uri": target, **asdict(stored)})
    values = parts[0] if len(parts) == 1 else {"uri": uris[0], "parts": parts}
    return print_result(args, values | {"seconds": time.monotonic() - began}, "".join(lines))
