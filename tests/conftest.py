"""Fixtures that more than one file of tests needs."""

pytest_plugins = ["tests.models", "tests.servers.fixtures"]
