"""Sizing: the memory a model needs, how it is loaded, the instances it fits, and their prices."""
