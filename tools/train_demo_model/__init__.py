"""Makes the embedded demo model from nothing: dialogues, tokenizer, training, GGUF, evaluation."""
