"""A container function that answers chat from a GGUF model in a bucket."""

__version__ = "0.2.0"
