"""Lifecycle of the instance: from settings to a ready model, and requests one at a time."""
