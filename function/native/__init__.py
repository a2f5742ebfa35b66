"""C libraries that are compiled beside llama.cpp: receiving, candidates, vocabularies."""
