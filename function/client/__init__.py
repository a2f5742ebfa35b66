"""Parts for programs that call the function."""
