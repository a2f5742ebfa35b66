"""Parallel ranged requests that fill one file."""
