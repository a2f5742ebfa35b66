"""Replies: from the engine's events to HTTP bodies."""
