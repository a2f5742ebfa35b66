"""``python -m function fetch URI``: a model, adapter or any object as a verified file on this machine."""

import argparse
import json
import os
import shutil
import sys
from dataclasses import fields
from pathlib import Path

from function.command.progress_bar import ProgressBar, bytes_of
from function.errors import CacheUnusable
from function.fetch import Fetched, Progress, fetch
from function.settings import Settings
from function.source import list_parts, name_file

EXAMPLES = """\
examples:
  python -m function fetch gs://bucket/model.gguf                    into the cache that the function uses
  python -m function fetch hf://owner/repo/m.gguf --to models/       as a file of your own
  python -m function fetch s3://bucket/model.gguf --sha256 HEX       held against what you know of it
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", help="gs://, s3://, https://, hf://owner/repository/file.gguf or a path")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--to", type=Path, metavar="PATH", help="the file to write; a folder for a split model")
    where.add_argument("--cache-dir", type=Path, metavar="DIR", help="the cache to use; default: MODEL_CACHE_DIR")
    parser.add_argument("--sha256", metavar="HEX", help="what the bytes must hash to")
    parser.add_argument("--json", action="store_true", help="tell the outcome as one JSON object")


def run(args: argparse.Namespace) -> int:
    progress = Progress()
    work = _beside(args.to) if args.to else args.cache_dir or Settings.from_env().model_cache_dir
    sha256 = args.sha256.lower() if args.sha256 else None
    with ProgressBar(args.uri.rpartition("/")[2], progress):
        fetched = fetch(args.uri, cache=work, sha256=sha256, progress=progress)
    paths = _place(fetched, args.to, work) if args.to else fetched.parts
    if args.json:
        names = (item.name for item in fields(fetched) if item.name not in ("lease", "path", "parts"))
        told = {name: getattr(fetched, name) for name in names}
        sys.stdout.write(json.dumps({"path": str(paths[0]), "parts": [str(path) for path in paths], **told}) + "\n")
    else:
        checked = fetched.digest or (
            "used in place" if fetched.lease is None else "unverified: the store has no checksum"
        )
        how = "was there already" if fetched.cached else f"in {fetched.seconds:.1f} s"
        sys.stdout.write(f"{paths[0]}: {bytes_of(fetched.size)} {how}, {checked}\n")
    return 0


def _beside(to: Path) -> Path:
    """Where the bytes gather: on the same disk, so that the file then appears in one step."""
    return to.absolute().parent / f".{to.name}.fetch"


def _place(fetched: Fetched, to: Path, work: Path) -> tuple[Path, ...]:
    """Give the files the names asked for. Unlike a cache they are to survive a power cut: they are forced to disk."""
    # In the cache a very long name is shortened: what the object is called counts.
    names = [path.name for path in fetched.parts] if fetched.lease is None else map(name_file, list_parts(fetched.uri))
    targets = (to,) if len(fetched.parts) == 1 and not to.is_dir() else tuple(to / name for name in names)
    try:
        for path, target in zip(fetched.parts, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            if fetched.lease is None:  # a file of the user's own stays where it is
                path = shutil.copyfile(path, target.with_name(target.name + ".part"))
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(target)
    except OSError as e:
        raise CacheUnusable(f"{to} cannot be written ({e.strerror}). Choose another --to.", path=str(to)) from e
    shutil.rmtree(work, ignore_errors=True)
    return targets
