"""Requests: bodies, their models, and the prompt they ask for."""
