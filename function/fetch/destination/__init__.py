"""Destinations of a fetch: a cache directory on disk, or memory.

``DiskDestination`` and ``MemoryDestination`` have the same methods. A fetch opens one for each attempt and holds it by
``lease`` for as long as its files are used.
"""
