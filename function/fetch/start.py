"""Start of a fetch in the background: in a child process if this process may fork, else in a thread."""

import logging
import threading

from function.fetch.job import FetchJob
from function.fetch.process import FetchProcess, FetchThread
from function.source import find_mount, is_fetched

log = logging.getLogger(__name__)
RunningFetch = FetchProcess | FetchThread


def start_fetch(job: FetchJob) -> RunningFetch:
    """Start ``job``. A local model needs no process: its files are used in place."""
    if mount := find_mount(job.uri):
        log.info("%s is on a mount of type %s: it is read in parallel into the cache, not mapped", job.uri, mount)
    if is_fetched(job.uri) and threading.active_count() == 1:  # another thread could hold a lock in the fork
        try:
            return FetchProcess(job)
        except OSError as e:
            log.warning("no process for the fetch (%s): fetching in a thread", e.strerror)
    return FetchThread(job)
