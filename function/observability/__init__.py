"""Logs, metrics, timings and traces."""
