"""A model's URI → one verified file on this machine.

Reads no header, knows no llama.cpp: what the bytes mean is for others. Imports as little as it can, because on a cold
start it runs before everything else.
"""

import threading
from pathlib import Path

from function.fetch.destination.base import name_of
from function.fetch.destination.memory import MemoryDestination
from function.fetch.policy import Policy
from function.fetch.progress import Progress
from function.fetch.result import Fetched
from function.fetch.text import read_text, text_of
from function.settings import Settings, Stores

__all__ = ["Fetched", "MemoryDestination", "Policy", "Progress", "cache_of", "fetch", "name_of", "read_text", "text_of"]


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
    """Have the model as verified files: in place if they are local, else in the cache, fetched if need be.

    The cache is a directory, or memory that was made for this URI, and is closed unless the files are in it.
    A URI that ends in ``-00001-of-0000N.gguf`` stands for all N files. ``sha256`` is what the bytes must hash to, of a
    split model those of its files one after the other. Raises SourceError, FetchError; Stopping once ``cancel`` is set.
    """
    from function.fetch.job import FetchJob

    fetched = None
    try:
        fetched = FetchJob(uri, cache, sha256, progress or Progress(), cancel, policy or Policy(), stores).run()
        return fetched
    finally:
        if isinstance(cache, MemoryDestination) and (fetched is None or fetched.lease is None):
            cache.close()


def cache_of(settings: Settings, uri: str) -> Path | MemoryDestination:
    """Where the settings have what is fetched from ``uri``. Raises CacheUnusable."""
    return MemoryDestination(uri) if settings.model_cache == "memory" else settings.model_cache_dir
