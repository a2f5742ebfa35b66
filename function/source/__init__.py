"""A model's URI to bytes: one module per kind of store behind one small interface."""
