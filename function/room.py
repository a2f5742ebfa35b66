"""What a model needs here, with the settings as they are."""

from collections.abc import Set

from function.gguf import Fit, Header, fit
from function.settings import Settings

DEFAULT_CONTEXT = 4096  # what the engine takes unless N_CTX says otherwise
MB = 10**6


def room(header: Header, settings: Settings, size: int, limit: int | None, *, repack: Set[str] = frozenset()) -> Fit:
    """The memory for the model, whose files have ``size`` bytes; ``limit`` is what there is, in bytes.

    For conversations that made room for others: as much as is set, or by the model, as far as there is room.
    """
    asked = None if settings.prefix_cache_mb is None else settings.prefix_cache_mb * MB
    n_ctx = min(settings.n_ctx or DEFAULT_CONTEXT, header.context_length or DEFAULT_CONTEXT)
    return fit(header, n_ctx, settings.kv_type, limit, repack=repack, size=size, prefixes=asked)
