"""Structured output: grammars, their trial compilation, and the constraint of a reply."""
