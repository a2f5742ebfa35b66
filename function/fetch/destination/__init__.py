"""Destinations of a fetch: a cache directory on disk, or memory."""
