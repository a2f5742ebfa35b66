"""Fetch of a model: from its URI to verified files on this machine.

Independent of the files' content and of llama.cpp. Imports as little as possible, because on a cold start the fetch
begins before everything else.
"""

from function.fetch.job import FetchJob, fetch, open_cache
from function.fetch.progress import Progress
from function.fetch.result import Fetched
from function.fetch.start import RunningFetch, start_fetch

__all__ = ["FetchJob", "Fetched", "Progress", "RunningFetch", "fetch", "open_cache", "start_fetch"]
