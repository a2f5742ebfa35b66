"""A container function that answers chat from a GGUF model in a bucket."""
