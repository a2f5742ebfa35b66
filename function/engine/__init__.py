"""A file to tokens. Knows nothing of HTTP, of buckets, or of where the file came from."""
