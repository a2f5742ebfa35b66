"""Real clients, each in an environment of its own: see docs/clients.md."""
