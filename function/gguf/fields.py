"""Typed access to a header's metadata. Errors name the key and the value."""

import math
from collections.abc import Mapping

from function.errors import NotGGUF
from function.gguf.reader import Array, Value


class Fields:
    """Metadata of one header. Short keys belong to its architecture (``block_count`` is ``llama.block_count``)."""

    def __init__(self, metadata: Mapping[str, Value], architecture: str) -> None:
        self.metadata = metadata
        self.architecture = architecture

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number from ``low`` to ``high``. Raises NotGGUF, also if it and ``default`` are missing."""
        full = f"{self.architecture}.{key}"
        value = self.metadata.get(full, default)
        if value is None:
            raise NotGGUF(f"The header lacks {full}.", key=full)
        return self._checked(full, value, low, high)

    def per_layer(self, key: str, layers: int, low: int, high: int, default: int | None = None) -> tuple[int, ...]:
        """Return a number per layer, which the header has once for all or for each. Raises NotGGUF."""
        full = f"{self.architecture}.{key}"
        value = self.metadata.get(full)
        if not isinstance(value, tuple | Array):
            return (self.integer(key, low, high, default),) * layers
        if isinstance(value, Array) or len(value) != layers:
            count = value.count if isinstance(value, Array) else len(value)
            raise NotGGUF(f"{full} has {count:,} values for {layers} layers.", key=full)
        return tuple(self._checked(full, item, low, high) for item in value)

    def finite(self) -> None:
        """Check every fraction: ggml asserts that factors are finite. Raises NotGGUF."""
        for key, value in self.metadata.items():
            if isinstance(value, float) and not (math.isfinite(value) and (value >= 0 or "epsilon" not in key)):
                raise NotGGUF(f"{key} is {value}, not a usable number.", key=key)

    def text(self, key: str) -> str | None:
        """Return a string by its full key, or None if it is missing. Raises NotGGUF for other types."""
        value = self.metadata.get(key)
        if value is not None and not isinstance(value, str):
            raise NotGGUF(f"{key} is not a text.", key=key)
        return value

    def array(self, key: str, types: tuple[int, ...], count: int, what: str) -> None:
        """Check that ``key``, if present, is an array of one of ``types`` with at least ``count`` values."""
        value = self.metadata.get(key)
        if value is None:
            return
        if isinstance(value, Array):
            if value.type not in types:
                raise NotGGUF(f"{key} is not an array of {what}.", key=key)
            have = value.count
        elif isinstance(value, tuple):
            have = len(value)
        else:
            raise NotGGUF(f"{key} is not an array.", key=key)
        if have < count:
            raise NotGGUF(f"{key} has {have:,} values for {count:,} tokens.", key=key)

    def _checked(self, key: str, value: object, low: int, high: int) -> int:
        if type(value) is not int:
            shown = "an array" if isinstance(value, tuple | Array) else repr(value)
            raise NotGGUF(f"{key} is {shown}, not a whole number.", key=key)
        if not low <= value <= high:
            raise NotGGUF(f"{key} is {value:,}, not between {low:,} and {high:,}.", key=key, value=value)
        return value
