"""Lifecycle of an instance: cold start, states of the model, queue of requests."""
