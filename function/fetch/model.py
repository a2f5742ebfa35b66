"""The fetch of one model, from its URI to verified files under their final names."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from function.errors import ChecksumMismatch, ObjectChanged, ObjectNotFound, SourceError, Stopping
from function.fetch import Fetched, cache
from function.fetch.answer import Refused
from function.fetch.partial import Partial
from function.fetch.plan import block_size
from function.fetch.policy import Policy
from function.fetch.progress import Progress
from function.fetch.retry import answers
from function.fetch.transfer import Transfer
from function.fetch.verify import Follower, algorithm_of, compare, sha256_of
from function.settings import Stores
from function.source import ObjectInfo, Source, open_source
from function.source.split import parts

HASHED = ".sha256"  # in a model's folder: what its files were found to hash to
PART = ".part"


@dataclass(slots=True)
class Job:
    """See ``function.fetch.fetch``."""

    uri: str
    cache_dir: Path
    sha256: str | None
    progress: Progress
    cancel: threading.Event | None
    policy: Policy
    stores: Stores | None

    def run(self) -> Fetched:
        began = time.monotonic()
        sources = [open_source(uri, self.stores) for uri in parts(self.uri)]
        whole = False
        for restart in range(self.policy.restarts + 1):
            self._check()
            infos = answers([source.describe for source in sources], self.policy, self._check)
            if whole:
                infos = [replace(info, ranges=False) for info in infos]
            try:
                return replace(self._have(sources, infos), seconds=time.monotonic() - began)
            except Refused:
                if whole or restart == self.policy.restarts:
                    raise
                whole = True
            except (ObjectChanged, ObjectNotFound, ChecksumMismatch) as e:
                # "Not found" as well: a store that pins by version says it of a version that was replaced.
                if restart == self.policy.restarts or (isinstance(e, ChecksumMismatch) and e.permanent):
                    raise
        raise AssertionError("unreachable")

    def _have(self, sources: Sequence[Source], infos: Sequence[ObjectInfo]) -> Fetched:
        sizes = [self._size(info) for info in infos]
        total = sum(sizes)
        local = [source.local for source in sources if source.local is not None]
        if local:
            self.progress.start(total, total)
            self._compare_whole(local, infos)
            return self._fetched(local, infos, total, cached=True, lease=None)
        key = cache.key(tuple(infos))
        names = [_name(info.uri) for info in infos]

        def ready(folder: Path) -> bool:
            return all(_holds(folder / name, size) for name, size in zip(names, sizes, strict=True))

        lease = cache.hold(self.cache_dir, key, ready=ready, pause=self._pause)
        try:
            cached = ready(lease.folder)
            files = [lease.folder / name for name in names]
            if not cached:
                self._fill(sources, infos, files)
            self._compare_whole(files, infos)
            lease.share()
            self.progress.start(total, total)
            return self._fetched(files, infos, total, cached=cached, lease=lease)
        except BaseException:
            lease.close()
            raise

    def _fill(self, sources: Sequence[Source], infos: Sequence[ObjectInfo], files: Sequence[Path]) -> None:
        """Fetch the files that are missing."""
        total = sum(self._size(info) for info in infos)
        done = [file.stat().st_size if _holds(file, info.size) else 0 for file, info in zip(files, infos, strict=True)]
        written = sum(_written(file) for file in files)
        cache.make_room(self.cache_dir, max(0, total - sum(done) - written), files[0].parent)
        self.progress.start(total, sum(done))
        for source, info, file in zip(sources, infos, files, strict=True):
            if not _holds(file, info.size):
                self._file(source, info, file)

    def _file(self, source: Source, info: ObjectInfo, final: Path) -> None:
        """Fetch one file, verify it, give it its name."""
        algorithm = algorithm_of(info)
        expected = info.checksums.get("sha256") if algorithm.name not in info.checksums else None
        if self.sha256 is not None and self._single():
            expected = self.sha256
        partial = Partial(
            final.with_name(final.name + PART), info, algorithm, block_size(self._size(info), self.policy)
        )
        follower = Follower(partial) if expected else None
        kept = 0
        try:
            kept = partial.resume(self._check, memoryview(bytearray(self.policy.buffer)))
            self.progress.add(kept)
            if self._single():
                self.progress.fill(partial.path, partial.prefix)
            if follower is not None:
                follower.start()
            Transfer(source, info, partial, policy=self.policy, progress=self.progress, pause=self._check).run()
            if algorithm.name in info.checksums:
                compare(info, algorithm.name, algorithm.hex(partial.whole()), info.checksums[algorithm.name])
            if follower is not None and expected is not None:
                compare(info, "sha256", follower.hexdigest(self._check), expected, given=expected == self.sha256)
                (final.parent / HASHED).write_text(expected)
        except (ObjectChanged, ChecksumMismatch, Refused) as e:
            partial.discard()
            if isinstance(e, ChecksumMismatch) and kept:
                e.permanent = False  # what an earlier attempt left may be to blame: again, from the first byte
            raise
        finally:
            if follower is not None:
                follower.close()
            partial.close()
        partial.promote(final)

    def _compare_whole(self, files: Sequence[Path], infos: Sequence[ObjectInfo]) -> None:
        """Hold the files against MODEL_SHA256, unless that was done before."""
        if self.sha256 is None:
            return
        note = None if len(files) and files[0].parent.parent != self.cache_dir else files[0].parent / HASHED
        if note is not None and note.exists() and note.read_text() == self.sha256:
            return
        compare(infos[0], "sha256", sha256_of(files, self._check), self.sha256, given=True)
        if note is not None:
            note.write_text(self.sha256)

    def _fetched(
        self, files: Sequence[Path], infos: Sequence[ObjectInfo], total: int, *, cached: bool, lease: cache.Lease | None
    ) -> Fetched:
        digest = f"sha256:{self.sha256}" if self.sha256 else _digest(infos)
        version = infos[0].version if len(infos) == 1 else cache.key(tuple(infos))
        verified = digest is not None or lease is None
        return Fetched(files[0], self.uri, version, total, digest, verified, cached, 0.0, tuple(files), lease)

    def _single(self) -> bool:
        return len(parts(self.uri)) == 1

    def _size(self, info: ObjectInfo) -> int:
        if info.size is None:
            raise SourceError(
                f"{info.uri}: the server does not say how long the object is, so that a cut would go unnoticed. "
                "Put the model where its size is told.",
                uri=info.uri,
            )
        return info.size

    def _check(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Stopping(f"{self.uri}: the fetch was told to stop.")

    def _pause(self) -> None:
        self._check()
        time.sleep(self.policy.tick)


def _digest(infos: Sequence[ObjectInfo]) -> str | None:
    """What the store vouches for and the files were held against; of several files the check of all in a row."""
    algorithms = {algorithm_of(info).name for info in infos if algorithm_of(info).name in info.checksums}
    if len(infos) == 1 and not algorithms and "sha256" in infos[0].checksums:
        return f"sha256:{infos[0].checksums['sha256']}"
    if len(algorithms) != 1 or any(algorithm_of(info).name not in info.checksums for info in infos):
        return None
    algorithm = algorithm_of(infos[0])
    whole = algorithm.whole((int(info.checksums[algorithm.name], 16), info.size or 0) for info in infos)
    return f"{algorithm.name}:{algorithm.hex(whole)}"


def _holds(file: Path, size: int | None) -> bool:
    return file.is_file() and file.stat().st_size == size


def _written(file: Path) -> int:
    """Bytes of disk an unfinished file has already taken."""
    part = file.with_name(file.name + PART)
    return part.stat().st_blocks * 512 if part.exists() else 0  # st_blocks counts 512 bytes whatever the disk's are


def _name(uri: str) -> str:
    """The file's own name, which for a split model llama.cpp finds the other files by."""
    return PurePosixPath(unquote(urlsplit(uri).path)).name or "model.gguf"
