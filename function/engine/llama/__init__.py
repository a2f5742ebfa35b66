"""Bindings to llama.cpp: library, model, vocabulary, sampler, saved states."""
