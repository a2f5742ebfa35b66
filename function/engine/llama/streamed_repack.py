"""Repacked load of a file that is still being downloaded: each weight is copied when its bytes are there.

llama.cpp logs the name of a tensor before it reads the tensor to copy it, and the log callback waits for its bytes.
A tensor that is read without such a line would be read too early, so a buffer type that is not known to log its tensors
is not loaded this way.
"""

import re
from collections.abc import Callable

from function.engine.llama.placeholder_file import HeaderMismatch, PlaceholderFile
from function.gguf import Header

_TENSOR = re.compile(r"repack tensor (\S+) (?:with|of type) ")
_BUFFER = re.compile(r"(\S+) model buffer size")
_MAPPED, _COPIED = "CPU_Mapped", ("CPU_REPACK", "AMX")
"""Buffers of weights: the mapped file, of which no byte is read, and copies that log their tensors."""


def can_stream_repack(header: Header, *, amx: bool) -> bool:
    """Return true if llama.cpp logs each weight that it copies. AMX's code does not log weights in F16."""
    return not (amx and any(tensor.type.name == "F16" and len(tensor.dims) > 1 for tensor in header.tensors))


class StreamedRepack:
    """Waits until ``source`` holds the weight that is copied next. ``should_stop`` ends the wait.

    After ``error`` is set the model reads zeros and must be discarded.
    """

    def __init__(self, source: PlaceholderFile, should_stop: Callable[[], bool]) -> None:
        self.error: Exception | None = None
        self._source, self._should_stop = source, should_stop
        self._has_copies = self._tensors_logged = False

    def on_log_line(self, line: str) -> None:
        """Handle a line of llama.cpp's log; llama.cpp continues when this returns."""
        if self.error:
            return
        try:
            if found := _TENSOR.search(line):
                self._tensors_logged = True
                self._source.wait_for_tensor(found[1], self._should_stop)
            elif found := _BUFFER.search(line):
                self._has_copies |= found[1] in _COPIED
                if found[1] not in (_MAPPED, *_COPIED):
                    raise HeaderMismatch(f"llama.cpp does not log which weights it copies into {found[1]}")
        except Exception as e:  # must not cross C
            self.error = e
            self._source.map_zeros()

    def raise_error(self) -> None:
        """Raise ``error`` once the model is loaded, or HeaderMismatch if copies were made without a log line."""
        if self.error:
            raise self.error
        if self._has_copies and not self._tensors_logged:
            raise HeaderMismatch("llama.cpp does not log which weights it copies")
