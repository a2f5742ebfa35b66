"""Job of one fetch, from a model's URI to verified files under their final names."""

import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from function.errors import ChecksumMismatch, DoesNotFit, NoSpace, ObjectChanged, ObjectNotFound, SourceError, Stopping
from function.fetch.description import describe
from function.fetch.destination.disk import DiskDestination, share_lease
from function.fetch.destination.memory import OPEN_FILES, MemoryDestination
from function.fetch.policy import Policy
from function.fetch.progress import Progress
from function.fetch.result import Fetched, FileLease
from function.fetch.transfer.transfer import Transfer
from function.settings import Settings, Stores
from function.source import (
    FileSource,
    ObjectInfo,
    Source,
    choose_algorithm,
    combine_digests,
    combine_versions,
    hash_files,
    list_parts,
    name_file,
    open_source,
    stated_digest,
)

log = logging.getLogger(__name__)


class UnsharedMemory(Exception):
    """A child process would have to create files in memory that its parent could not see."""


def fetch(
    uri: str,
    *,
    cache: Path | MemoryDestination,
    sha256: str | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    policy: Policy | None = None,
    stores: Stores | None = None,
) -> Fetched:
    """Return the model at ``uri`` as verified files: local ones in place, others in the cache, transferred if needed.

    ``cache`` is a directory, or a destination in memory that was created for this URI; the latter is closed unless it
    holds the files afterwards. A URI that ends in ``-00001-of-0000N.gguf`` stands for all N files. ``sha256`` is the
    expected hash of the bytes, for a split model of its concatenated files. Raises SourceError, FetchError; Stopping
    once ``cancel`` is set.
    """
    return FetchJob(uri, cache, sha256, progress or Progress(), cancel, policy or Policy(), stores).run()


def open_cache(settings: Settings, uri: str) -> Path | MemoryDestination:
    """Return the destination that the settings choose for a fetch of ``uri``. Raises CacheUnusable."""
    return MemoryDestination(uri) if settings.model_cache == "memory" else settings.model_cache_dir


@dataclass(slots=True)
class FetchJob:
    """Arguments of a fetch; see ``fetch``."""

    uri: str
    cache: Path | MemoryDestination
    sha256: str | None = None
    progress: Progress = field(default_factory=Progress)
    cancel: threading.Event | None = None
    policy: Policy = field(default_factory=Policy)
    stores: Stores | None = None

    def run(self) -> Fetched:
        """Fetch the model. Raises as ``fetch``."""
        fetched = None
        try:
            fetched = self._run()
            return fetched
        finally:
            if isinstance(self.cache, MemoryDestination) and (fetched is None or fetched.lease is None):
                self.cache.close()

    def adopt(self, values: dict[str, Any]) -> Fetched:
        """Return the result of this job in a child process, with a lease of this process. ``values`` are its fields."""
        path = Path(values["path"])
        lease: FileLease | None
        if isinstance(self.cache, Path):
            lease = share_lease(self.cache, path)
        else:
            lease = self.cache if path.parent == OPEN_FILES else None  # else the file is used in place
        return Fetched(**values | {"path": path, "parts": tuple(map(Path, values["parts"]))}, lease=lease)

    def _run(self) -> Fetched:
        began, mismatched = time.monotonic(), False
        sources = [open_source(uri, self.stores) for uri in list_parts(self.uri)]
        for restart in range(self.policy.max_restarts + 1):
            self._raise_if_cancelled()
            infos = describe(sources, self.policy, self._raise_if_cancelled)
            parts = list_parts(infos[0].uri)
            if len(parts) != len(sources):  # the store chose the file, the first of a split model
                sources = [open_source(uri, self.stores) for uri in parts]
                infos = describe(sources, self.policy, self._raise_if_cancelled)
            infos = [self._identify(info) for info in infos]
            try:
                return replace(self._fetch(sources, infos), seconds=time.monotonic() - began)
            except (ObjectChanged, ObjectNotFound, ChecksumMismatch) as e:
                # "Not found" too: stores that pin by version return it for a replaced version.
                differs_from_setting = isinstance(e, ChecksumMismatch) and e.permanent
                if differs_from_setting and (mismatched or all(source.local for source in sources)):
                    raise
                if restart == self.policy.max_restarts:
                    raise
                mismatched = mismatched or differs_from_setting
        raise AssertionError("unreachable")

    def _identify(self, info: ObjectInfo) -> ObjectInfo:
        """Return ``info`` with a version of its own if the store states none.

        Such bytes are used again only if MODEL_SHA256 identifies them, and come in one piece otherwise, so that those
        of an object that was replaced are not mixed.
        """
        if info.validated:
            return info
        if digest := stated_digest(info.checksums):
            return replace(info, version=digest)
        if self.sha256 is not None:
            return replace(info, version=f"sha256 {self.sha256}")
        return replace(info, version=f"fetch {os.urandom(8).hex()}", ranges=False)

    def _fetch(self, sources: Sequence[Source], infos: Sequence[ObjectInfo]) -> Fetched:
        sizes = [_require_size(info) for info in infos]
        total = sum(sizes)
        if all(source.local for source in sources):
            return self._use_in_place(sources, infos)
        destination = self._open_destination(infos)
        try:
            missing = [number for number in range(len(infos)) if not destination.is_complete(number)]
            if missing:
                wanted = sum(sizes[number] for number in missing)
                try:
                    destination.make_room(wanted)
                except (DoesNotFit, NoSpace) as e:
                    if not all(isinstance(source, FileSource) for source in sources):
                        raise
                    log.warning("%s is used in place, although it is on a network mount: %s", self.uri, e)
                    destination.give_up()
                    return self._use_in_place(sources, infos)
                self.progress.start(total, total - wanted)
                for number in missing:
                    self._fetch_file(sources[number], infos[number], destination, number, single=len(infos) == 1)
            if self.sha256 is not None and self.sha256 != destination.sha256:
                try:
                    self._verify_sha256(infos, hash_files(destination.files, self._raise_if_cancelled))
                except ChecksumMismatch:
                    destination.discard()
                    raise
                destination.set_sha256(self.sha256)
            destination.share()
            if missing:
                self.progress.keep(total - self.progress.done)
            else:
                self.progress.start(total, total)
            return self._fetched(destination.files, infos, cached=not missing, lease=destination.lease)
        except BaseException:
            self.progress.fill(None, 0)
            destination.give_up()
            raise

    def _use_in_place(self, sources: Sequence[Source], infos: Sequence[ObjectInfo]) -> Fetched:
        files = [source.path for source in sources if isinstance(source, FileSource)]
        total = sum(info.size or 0 for info in infos)
        self.progress.start(total, total)
        if self.sha256 is not None:
            self._verify_sha256(infos, hash_files(files, self._raise_if_cancelled))
        return self._fetched(files, infos, cached=True, lease=None)

    def _open_destination(self, infos: Sequence[ObjectInfo]) -> DiskDestination | MemoryDestination:
        if isinstance(self.cache, Path):
            return DiskDestination(self.cache, infos, self._pause, self._raise_if_cancelled)
        self.cache.rename([name_file(info.uri) for info in infos])
        if not self.cache.is_usable:
            raise UnsharedMemory
        return self.cache

    def _fetch_file(
        self,
        source: Source,
        info: ObjectInfo,
        destination: DiskDestination | MemoryDestination,
        number: int,
        *,
        single: bool,
    ) -> None:
        """Transfer one file, verify it and give it its final name. ``single``: it is the whole model."""
        progress, algorithm = self.progress, choose_algorithm(info.checksums)
        stated = info.checksums.get(algorithm.name)
        sha256 = info.checksums.get("sha256") if stated is None else None
        if self.sha256 is not None and single:
            sha256 = self.sha256
        done_before = progress.done
        partial = destination.open_partial(number, info, algorithm, self.policy.choose_block_bytes(info.size or 0))
        hasher = partial.hash_in_background() if sha256 else None
        kept = 0
        try:
            kept = partial.resume(self._raise_if_cancelled, memoryview(bytearray(self.policy.buffer_bytes)))
            progress.keep(kept)

            def report_prefix(prefix: int) -> None:
                if single:  # the progress of a split model names no file
                    progress.fill(partial.path, prefix)

            report_prefix(partial.prefix)
            if hasher is not None:
                hasher.start()
            callbacks = (progress.add, report_prefix, self._raise_if_cancelled)
            if not Transfer(source, info, partial, self.policy, *callbacks).run():  # the server ignores ranges
                progress.keep(done_before + partial.finished_bytes - progress.done)
                Transfer(source, replace(info, ranges=False), partial, self.policy, *callbacks).run()
            if stated is not None:
                _require_equal(info, algorithm.name, algorithm.format_hex(partial.combine_checks()), stated)
            if hasher is not None and sha256 is not None:
                found = hasher.hexdigest(self._raise_if_cancelled)
                _require_equal(info, "sha256", found, sha256, from_settings=sha256 == self.sha256)
                if single:
                    destination.set_sha256(sha256)
        except (ObjectChanged, ChecksumMismatch) as e:
            if hasher is not None:
                hasher.close()  # it reads the file
            partial.discard()
            if isinstance(e, ChecksumMismatch) and kept:
                e.permanent = False  # an earlier attempt's bytes may be the cause: restart from the first byte
            raise
        finally:
            if hasher is not None:
                hasher.close()
            partial.close()
        destination.promote(number)

    def _verify_sha256(self, infos: Sequence[ObjectInfo], found: str) -> None:
        assert self.sha256 is not None
        _require_equal(infos[0], "sha256", found, self.sha256, from_settings=True)

    def _fetched(
        self, files: Sequence[Path], infos: Sequence[ObjectInfo], *, cached: bool, lease: FileLease | None
    ) -> Fetched:
        version = infos[0].version if len(infos) == 1 else combine_versions(infos)
        size = sum(info.size or 0 for info in infos)
        digest = f"sha256:{self.sha256}" if self.sha256 else combine_digests(infos)
        verified = digest is not None or lease is None
        return Fetched(files[0], infos[0].uri, version, size, digest, verified, cached, 0.0, tuple(files), lease)

    def _raise_if_cancelled(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise Stopping(f"{self.uri}: the fetch was cancelled.")

    def _pause(self) -> None:
        self._raise_if_cancelled()
        time.sleep(self.policy.poll_seconds)


def _require_size(info: ObjectInfo) -> int:
    if info.size is None:
        raise SourceError(
            f"{info.uri}: the server does not state the size of the object, so a truncation would go unnoticed. "
            "Put the model on a server that states it.",
            uri=info.uri,
        )
    return info.size


def _require_equal(info: ObjectInfo, name: str, found: str, expected: str, *, from_settings: bool = False) -> None:
    """Raise ChecksumMismatch unless equal; permanent if the expected hash is from the settings."""
    if found == expected:
        return
    remedy = (
        "Correct MODEL_SHA256, or store the right file."
        if from_settings
        else "The object is damaged, or was damaged on the way. Store it again if this error persists."
    )
    error = ChecksumMismatch(
        f"{info.uri}: {name} of the bytes is {found}, expected is {expected}. {remedy}",
        uri=info.uri,
        found=found,
        expected=expected,
    )
    error.permanent = from_settings
    raise error
