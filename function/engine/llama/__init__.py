"""Bindings to llama.cpp: library, model, context, sampler, state."""
