"""Start of a fetch in the background: in a child process if this process may fork, else in a thread."""

import logging
from typing import TYPE_CHECKING

from function.fetch.job import FetchJob
from function.source import is_remote

if TYPE_CHECKING:
    from function.fetch.process import FetchProcess
    from function.fetch.thread import FetchThread

log = logging.getLogger(__name__)


def start_fetch(job: FetchJob) -> "FetchProcess | FetchThread":
    """Start ``job`` and return it as a running fetch, with ``listen``, ``result`` and ``close``."""
    from function.fetch.process import FetchProcess
    from function.fetch.thread import FetchThread

    if is_remote(job.uri) and FetchProcess.possible():
        try:
            return FetchProcess(job.uri, job.cache, job.sha256, job.progress)
        except OSError as e:
            log.warning("no process for the fetch (%s): fetching in a thread", e.strerror)
    return FetchThread(job.uri, job.cache, job.sha256, job.progress)
