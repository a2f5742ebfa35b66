"""Where a snapshot is, and putting it there: whole or not at all."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from function.errors import AccessDenied, SourceError
from function.settings import Settings

SUFFIX = ".snapshot"
LOW = 19  # the nice value of what must delay nobody


def place(settings: Settings) -> str:
    """SNAPSHOT_URI, or beside the model: its name with a suffix."""
    if settings.snapshot_uri:
        return settings.snapshot_uri
    address, mark, query = settings.model_uri.partition("?")
    return f"{address}{SUFFIX}{mark}{query}"


def put(file: Path, uri: str) -> None:
    """Store the file at ``uri``, in place of what is there. Raises SourceError.

    Into a bucket in a process of its own, at the lowest priority: the SDKs take seconds to import and megabytes to
    keep, and neither is the business of a process that answers.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme == "file":
        _copy(file, Path(unquote(urlsplit(uri).path)) if separator else Path(uri).expanduser(), uri)
        return
    import subprocess  # not before it is needed: a cold start imports this module

    command = [sys.executable, "-m", "function", "push", "--json", str(file), uri]
    process = subprocess.Popen(  # noqa: S603  # this program itself
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2]
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, LOW)
    out, _ = process.communicate()
    if process.returncode:
        raise _made(out, uri)


def _copy(file: Path, target: Path, uri: str) -> None:
    import shutil

    part = target.with_name(f"{target.name}.{os.urandom(6).hex()}.part")
    try:
        try:
            shutil.copyfile(file, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except PermissionError as e:
        raise AccessDenied(f"{uri}: this process may not write there.", uri=uri) from e
    except OSError as e:
        raise SourceError(f"{uri}: {e.strerror}.", uri=uri) from e


def _made(out: bytes, uri: str) -> SourceError:
    """The error that the other process told."""
    try:
        told = json.loads(out)["error"]
        denied = told["code"] == AccessDenied.code
        return (AccessDenied if denied else SourceError)(told["message"])
    except (ValueError, KeyError, TypeError):
        return SourceError(f"{uri}: the process that stores it ended without a word.", uri=uri)
