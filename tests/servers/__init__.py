"""Servers the tests start on loopback and stop again."""
