"""The KV cache of the context, and earlier conversations that can be restored into it."""
