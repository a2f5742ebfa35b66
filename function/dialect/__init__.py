"""How a model writes thoughts and tool calls. Pure: text in, parts out."""
