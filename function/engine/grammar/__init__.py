"""Structured output: grammars that a reply must follow."""
