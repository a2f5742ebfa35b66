"""Sizing: the memory a model needs, the instances it fits, and their prices."""
