"""A model's URI → one verified file on this machine.

Reads no header, knows no llama.cpp: what the bytes mean is for others. Imports as little as it can, because on a cold
start it runs before everything else.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from function.checksum import ALGORITHMS, Algorithm
from function.errors import ChecksumMismatch, ObjectChanged, ObjectNotFound, SourceError, Stopping
from function.fetch import cache
from function.fetch.partial import Partial
from function.fetch.plan import block_size
from function.fetch.policy import Policy
from function.fetch.progress import Progress
from function.fetch.transfer import Transfer
from function.source import ObjectInfo, Source, open_source

__all__ = ["Fetched", "Policy", "Progress", "fetch", "read_text"]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model on this machine.

    ``digest`` is what was verified, ``crc32c:…``, ``crc64nvme:…``, ``crc32:…`` or ``sha256:…``; None where nothing
    could be, and then ``verified`` is False. ``cached``: no byte was needed. ``parts`` are all files of a split model,
    ``path`` the first. Nobody evicts the files while ``lease`` is open.
    """

    path: Path
    uri: str
    version: str
    size: int
    digest: str | None
    verified: bool
    cached: bool
    seconds: float
    parts: tuple[Path, ...]
    lease: cache.Lease | None = field(default=None, repr=False, compare=False)


def fetch(
    uri: str,
    *,
    cache_dir: Path,
    sha256: str | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    policy: Policy | None = None,
) -> Fetched:
    """Have the object as a verified file: in place if it is a local one, else in the cache, fetched if need be.

    Raises SourceError, FetchError; Stopping once ``cancel`` is set.
    """
    policy = policy or Policy()
    progress = progress or Progress()
    began = time.monotonic()

    def check() -> None:
        if cancel is not None and cancel.is_set():
            raise Stopping(f"{uri}: the fetch was cancelled.")

    def pause() -> None:
        check()
        time.sleep(policy.tick)

    source = open_source(uri)
    for restart in range(policy.restarts + 1):
        try:
            return _fetch(source, cache_dir, sha256, progress, policy, check, pause, began)
        except (ObjectChanged, ObjectNotFound) as e:
            # A store that pins by version says "not found" of a version that was replaced.
            if restart == policy.restarts or (isinstance(e, ObjectNotFound) and "pinned" not in e.evidence):
                raise
    raise AssertionError("unreachable")


def _fetch(
    source: Source,
    cache_dir: Path,
    sha256: str | None,
    progress: Progress,
    policy: Policy,
    check: Callable[[], None],
    pause: Callable[[], None],
    began: float,
) -> Fetched:
    check()
    info = source.describe()
    size = info.size
    if size is None:
        raise SourceError(f"{info.uri}: the server does not say how long the object is.")
    if source.local is not None:
        progress.start(size, size)
        return Fetched(source.local, info.uri, info.version, size, None, False, True, 0.0, (source.local,))
    algorithm = _algorithm(info)
    with cache.hold(cache_dir, cache.key((info,)), pause=pause) as lease:
        final = lease.folder / _name(info.uri)
        cached = final.is_file() and final.stat().st_size == size
        digest = f"{algorithm.name}:{info.checksums[algorithm.name]}" if algorithm.name in info.checksums else None
        if not cached:
            part = final.with_name(final.name + ".part")
            written = part.stat().st_blocks * 512 if part.exists() else 0
            cache.make_room(cache_dir, size - min(written, size), lease.folder)
            partial = Partial(part, info, algorithm, block_size(size, policy))
            try:
                progress.start(size, partial.resume(check, memoryview(bytearray(policy.buffer))))
                Transfer(source, info, partial, policy=policy, progress=progress, pause=check).run()
            except ObjectChanged:
                partial.discard()
                raise
            except ObjectNotFound as e:
                e.evidence["pinned"] = info.version
                raise
            finally:
                partial.close()
            _verify(partial, info)
            partial.promote(final)
        progress.start(size, size)
        lease.share()
        kept = lease.keep()
    seconds = time.monotonic() - began
    return Fetched(final, info.uri, info.version, size, digest, digest is not None, cached, seconds, (final,), kept)


def _algorithm(info: ObjectInfo) -> Algorithm:
    """What the parts are checked with: what the store vouches with, or the cheapest."""
    return next((a for name, a in ALGORITHMS.items() if name in info.checksums), ALGORITHMS["crc32c"])


def _verify(partial: Partial, info: ObjectInfo) -> None:
    name = partial.algorithm.name
    if name not in info.checksums:
        return
    found = partial.algorithm.hex(partial.whole())
    if found != info.checksums[name]:
        partial.discard()
        raise ChecksumMismatch(
            f"{info.uri}: {name} of what arrived is {found}, the store holds {info.checksums[name]}. "
            "The object or the way to it is damaged; try again.",
            uri=info.uri,
            found=found,
            expected=info.checksums[name],
        )


def _name(uri: str) -> str:
    """The file's own name, which for a split model llama.cpp finds the other parts by."""
    return PurePosixPath(unquote(urlsplit(uri).path)).name or "model.gguf"


def read_text(uri: str, *, limit: int) -> str:
    """A small text object: a chat template, a system prompt. Raises SourceError."""
    source = open_source(uri)
    info = source.describe()
    if info.size is None or info.size > limit:
        raise SourceError(f"{uri}: {info.size} bytes, where a text of at most {limit} is expected.", size=info.size)
    data = bytearray(info.size)
    source.read(info, 0, memoryview(data))
    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise SourceError(f"{uri}: not a text in UTF-8 (byte {e.start}).", uri=uri) from e
