"""KV cache: the tokens the model has read, and the conversations kept for later."""
