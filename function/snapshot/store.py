"""Store of the snapshot: its URI, and atomic writes to it."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from function.errors import AccessDenied, SourceError
from function.settings import Settings

SUFFIX = ".snapshot"
LOWEST_PRIORITY = 19


def snapshot_uri(settings: Settings) -> str:
    """Return SNAPSHOT_URI; by default the model's URI with a suffix after its name."""
    if settings.snapshot_uri:
        return settings.snapshot_uri
    address, mark, query = settings.model_uri.partition("?")
    return f"{address}{SUFFIX}{mark}{query}"


def store_file(file: Path, uri: str) -> None:
    """Store the file at ``uri``, replacing any object there. Raises SourceError.

    An upload to a bucket runs in a process with the lowest priority: the SDKs take seconds to import and megabytes of
    memory, which a process that serves should not spend.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator or scheme == "file":
        _copy(file, Path(unquote(urlsplit(uri).path)) if separator else Path(uri).expanduser(), uri)
        return
    import subprocess  # imported late: a cold start imports this module

    command = [sys.executable, "-m", "function.snapshot.uploader", str(file)]
    process = subprocess.Popen(  # noqa: S603  this program itself
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, LOWEST_PRIORITY)
    out, _ = process.communicate(uri.encode())
    if process.returncode:
        raise _upload_error(out, uri)


def _copy(file: Path, target: Path, uri: str) -> None:
    import shutil  # imported late, as above

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


def _upload_error(out: bytes, uri: str) -> SourceError:
    """Return the error that the uploader reported."""
    try:
        error = json.loads(out)["error"]
        return (AccessDenied if error["code"] == AccessDenied.code else SourceError)(error["message"])
    except (ValueError, KeyError, TypeError):
        return SourceError(f"{uri}: the process that uploads the snapshot ended without a result.", uri=uri)
