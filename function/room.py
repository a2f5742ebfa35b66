"""How much memory the prefix cache may take here."""

from function.gguf import Header, fit
from function.limits import memory_limit
from function.settings import Settings

DEFAULT_CONTEXT = 4096  # what the engine takes unless N_CTX says otherwise
MB = 10**6


def prefix_room(header: Header, settings: Settings, size: int) -> int:
    """Bytes for conversations that made room for others: as set, or by the model, as far as this container has them.

    ``size``: bytes of the model's files.
    """
    asked = None if settings.prefix_cache_mb is None else settings.prefix_cache_mb * MB
    n_ctx = min(settings.n_ctx or DEFAULT_CONTEXT, header.context_length)
    return fit(header, n_ctx, settings.kv_type, limit=memory_limit(), size=size, prefixes=asked).prefix_room
