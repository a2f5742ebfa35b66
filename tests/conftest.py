"""Fixtures that more than one file of tests needs."""

pytest_plugins = ["tests.chat_templates", "tests.models", "tests.servers.fixtures"]
