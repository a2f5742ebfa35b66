"""llama.cpp's own server tests, run against the function."""
