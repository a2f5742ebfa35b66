"""Dialects of models: thoughts and tool calls in a reply's text. Pure: text in, parts out."""
