"""``python -m function fetch URI``: download a model, an adapter or any object into a verified file."""

import argparse
import os
import shutil
from dataclasses import fields
from pathlib import Path

from function.command.output import format_bytes, print_result
from function.command.progress_bar import ProgressBar
from function.errors import CacheUnusable
from function.fetch import Fetched, Progress, fetch
from function.settings import Settings, parse_sha256
from function.source import list_parts, name_file

EXAMPLES = """\
examples:
  python -m function fetch gs://bucket/model.gguf
      into the cache of the function
  python -m function fetch hf://owner/repo/m.gguf --to models/
      as a file of your own
  python -m function fetch s3://bucket/model.gguf --sha256 HEX
      verified against a hash that you know
"""

STOPPED = "Stopped. Run the same command again to continue."


def configure(parser: argparse.ArgumentParser) -> None:
    uri_help = "gs://, s3://, https://, hf://owner/repository/file.gguf or a path; default: MODEL_URI and its hash"
    parser.add_argument("uri", nargs="?", help=uri_help)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--to", type=Path, metavar="PATH", help="the file to write; a folder for a split model")
    where.add_argument("--cache-dir", type=Path, metavar="DIR", help="the cache to use; default: MODEL_CACHE_DIR")
    parser.add_argument("--sha256", type=_sha256, metavar="HEX", help="the SHA-256 that the bytes must have")


def run(args: argparse.Namespace) -> int:
    settings, progress = Settings.from_env(), Progress()
    work = _work_folder(args.to) if args.to else args.cache_dir or settings.model_cache_dir
    uri = args.uri or settings.model_uri
    sha256 = args.sha256 or (None if args.uri else settings.model_sha256)
    with ProgressBar(name_file(uri), progress):
        fetched = fetch(uri, cache=work, sha256=sha256, progress=progress)
    paths = _move(fetched, args.to, work) if args.to else fetched.parts
    unverified = "used in place" if fetched.lease is None else "unverified: the store has no checksum"
    how = "was there already" if fetched.cached else f"in {fetched.seconds:.1f} s"
    text = f"{paths[0]}: {format_bytes(fetched.size)} {how}, {fetched.digest or unverified}\n"
    names = (item.name for item in fields(fetched) if item.name not in ("lease", "path", "parts"))
    values = {name: getattr(fetched, name) for name in names}
    return print_result(args, {"path": str(paths[0]), "parts": list(map(str, paths)), **values}, text)


def _sha256(text: str) -> str:
    try:
        return parse_sha256(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{text!r} {e}") from e


def _work_folder(to: Path) -> Path:
    """Return the folder for the download: on the same disk, so that the file can be moved atomically."""
    return to.absolute().parent / f".{to.name}.fetch"


def _move(fetched: Fetched, to: Path, work: Path) -> tuple[Path, ...]:
    """Move the files to the requested paths. They are synced to disk: unlike a cache they must survive a power cut."""
    # In the cache a very long name is shortened, so the names come from the URI.
    names = [path.name for path in fetched.parts] if fetched.lease is None else map(name_file, list_parts(fetched.uri))
    targets = (to,) if len(fetched.parts) == 1 and not to.is_dir() else tuple(to / name for name in names)
    try:
        for path, target in zip(fetched.parts, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            if fetched.lease is None:  # the source is a file of the user: copy it
                path = shutil.copyfile(path, target.with_name(target.name + ".part"))
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(target)
    except OSError as e:
        raise CacheUnusable(f"{to} cannot be written ({e.strerror}). Choose another --to.", path=str(to)) from e
    shutil.rmtree(work, ignore_errors=True)
    return targets
