"""Weights that are copied into a faster layout while their file still fills: each as soon as its bytes are there.

llama.cpp logs the name of a tensor before it reads it to copy it, and this is where to wait for its bytes. What it
reads without saying so would be read too early, so whatever is not known to be told of is not loaded this way.
"""

import re
from collections.abc import Callable

from function.engine.llama.placeholder_file import HeaderMismatch, PlaceholderFile
from function.gguf import Header

_TENSOR = re.compile(r"repack tensor (\S+) (?:with|of type) ")
_BUFFER = re.compile(r"(\S+) model buffer size")
_MAPPED, _COPIED = "CPU_Mapped", ("CPU_REPACK", "AMX")
"""Where weights can be: in the file, which nothing is read of, and in copies that are told of."""


def possible(header: Header, *, amx: bool) -> bool:
    """Whether llama.cpp would tell of each weight it copies. AMX's code does not of those in F16."""
    return not (amx and any(tensor.type.name == "F16" and len(tensor.dims) > 1 for tensor in header.tensors))


class StreamedRepack:
    """Has ``source`` filled as far as the weight that is copied next. ``stop`` says when to give up.

    ``error`` is what keeps the model from being loaded so; what is read from then on are zeros.
    """

    def __init__(self, source: PlaceholderFile, stop: Callable[[], bool]) -> None:
        self.error: Exception | None = None
        self._source, self._stop = source, stop
        self._copies = self._told = False

    def hear(self, line: str) -> None:
        """A line of llama.cpp's log, which goes on when this returns."""
        if self.error:
            return
        try:
            if found := _TENSOR.search(line):
                self._told = True
                self._source.provide(found[1], self._stop)
            elif found := _BUFFER.search(line):
                self._copies |= found[1] in _COPIED
                if found[1] not in (_MAPPED, *_COPIED):
                    raise HeaderMismatch(f"llama.cpp does not tell what it copies into {found[1]}")
        except Exception as e:  # must not cross C
            self.error = e
            self._source.blank()

    def check(self) -> None:
        """Once the model is loaded. Raises what went wrong, Unlike where it was not told what was copied."""
        if self.error:
            raise self.error
        if self._copies and not self._told:
            raise HeaderMismatch("llama.cpp does not tell which weights it copies")
