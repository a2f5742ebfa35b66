"""The fetch of one model, from its URI to verified files under their final names."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from function.errors import ChecksumMismatch, ObjectChanged, ObjectNotFound, SourceError, Stopping
from function.fetch.destination import cache_dir
from function.fetch.destination.base import Destination, FileLease
from function.fetch.destination.disk import DiskDestination
from function.fetch.destination.memory import MemoryDestination
from function.fetch.destination.verify import FileHasher, algorithm_of, compare, sha256_of
from function.fetch.policy import Policy
from function.fetch.progress import Progress
from function.fetch.result import Fetched
from function.fetch.retry import retry_questions
from function.fetch.transfer.blocks import block_size
from function.fetch.transfer.response import RangeRejected
from function.fetch.transfer.transfer import Transfer
from function.settings import Stores
from function.source import ObjectInfo, Source, open_source
from function.source.split_model import parts


@dataclass(slots=True)
class FetchJob:
    """See ``function.fetch.fetch``."""

    uri: str
    cache: Path | MemoryDestination
    sha256: str | None = None
    progress: Progress = field(default_factory=Progress)
    cancel: threading.Event | None = None
    policy: Policy = Policy()
    stores: Stores | None = None

    def run(self) -> Fetched:
        began = time.monotonic()
        sources = [open_source(uri, self.stores) for uri in parts(self.uri)]
        whole = False
        for restart in range(self.policy.restarts + 1):
            self._check()
            infos = retry_questions([source.describe for source in sources], self.policy, self._check)
            if whole:
                infos = [replace(info, ranges=False) for info in infos]
            try:
                return replace(self._have(sources, infos), seconds=time.monotonic() - began)
            except RangeRejected:
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
            if self.sha256 is not None:
                self._compare_whole(local, infos, self.sha256)
            return self._fetched(local, infos, total, cached=True, lease=None)
        place = self._place(infos)
        try:
            missing = [number for number in range(len(infos)) if not place.present(number)]
            if missing:
                self._fill(sources, infos, place, missing)
            if self.sha256 is not None and self.sha256 != place.hashed:
                self._compare_whole(place.files, infos, self.sha256)
                place.note(self.sha256)
            place.share()
            self.progress.start(total, total)
            return self._fetched(place.files, infos, total, cached=not missing, lease=place.lease)
        except BaseException:
            self.progress.fill(None, 0)
            place.give_up()
            raise

    def _place(self, infos: Sequence[ObjectInfo]) -> Destination:
        if isinstance(self.cache, Path):
            return DiskDestination(self.cache, infos, self._pause, self._check)
        return self.cache

    def _fill(
        self, sources: Sequence[Source], infos: Sequence[ObjectInfo], place: Destination, missing: Sequence[int]
    ) -> None:
        """Fetch the files that are missing."""
        total = sum(self._size(info) for info in infos)
        wanted = sum(self._size(infos[number]) for number in missing)
        place.make_room(wanted)
        self.progress.start(total, total - wanted)
        for number in missing:
            self._file(sources[number], infos[number], place, number)

    def _file(self, source: Source, info: ObjectInfo, place: Destination, number: int) -> None:
        """Fetch one file, verify it, promote it."""
        algorithm = algorithm_of(info)
        expected = info.checksums.get("sha256") if algorithm.name not in info.checksums else None
        if self.sha256 is not None and self._single():
            expected = self.sha256
        partial = place.partial(number, info, algorithm, block_size(self._size(info), self.policy))
        follower = FileHasher(partial) if expected else None
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
                if self._single():
                    place.note(expected)
        except (ObjectChanged, ChecksumMismatch, RangeRejected) as e:
            partial.discard()
            if isinstance(e, ChecksumMismatch) and kept:
                e.permanent = False  # what an earlier attempt left may be to blame: again, from the first byte
            raise
        finally:
            if follower is not None:
                follower.close()
            partial.close()
        partial.promote()

    def _compare_whole(self, files: Sequence[Path], infos: Sequence[ObjectInfo], sha256: str) -> None:
        """Hold the files, one after the other, against MODEL_SHA256."""
        compare(infos[0], "sha256", sha256_of(files, self._check), sha256, given=True)

    def _fetched(
        self, files: Sequence[Path], infos: Sequence[ObjectInfo], total: int, *, cached: bool, lease: FileLease | None
    ) -> Fetched:
        digest = f"sha256:{self.sha256}" if self.sha256 else _digest(infos)
        version = infos[0].version if len(infos) == 1 else cache_dir.key(tuple(infos))
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
