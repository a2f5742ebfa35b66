"""HTTP in, streams out. Knows nothing of llama.cpp."""
