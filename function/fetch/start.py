"""Start of a fetch in the background: in a child process if this process may fork, else in a thread."""

import logging
import threading

from function.fetch.job import FetchJob
from function.fetch.process import FetchProcess, FetchThread
from function.source import is_remote

log = logging.getLogger(__name__)
RunningFetch = FetchProcess | FetchThread


def start_fetch(job: FetchJob) -> RunningFetch:
    """Start ``job``. A local model needs no process: its files are used in place."""
    if is_remote(job.uri) and threading.active_count() == 1:  # another thread could hold a lock in the fork
        try:
            return FetchProcess(job)
        except OSError as e:
            log.warning("no process for the fetch (%s): fetching in a thread", e.strerror)
    return FetchThread(job)
