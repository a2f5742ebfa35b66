"""Saving and restoring what a context has read, by llama.cpp's own means; for the engine's thread."""

import ctypes
import struct
from typing import Any

from function.engine.llama.library import library
from function.engine.llama.state_layout import StateLayout

HEAD = struct.pack("<Ii", 0xAF143CD8, 0)
"""What a sequence's state begins with: llama.cpp's magic number and the sequence."""
SavedState = bytearray | memoryview
"""A state in memory that C may read: one's own, or a private mapping of a file."""


class StateIO:
    """``layout`` is what states look like, once ``learn`` was called.

    It stays None where a state cannot be vouched for, or a prefix of it could not be taken: recurrent and hybrid
    models, positions in several dimensions. Then nothing is saved.
    """

    def __init__(self, model: Any, context: Any) -> None:
        self._lib = lib = library()
        self._context = context
        # A sequence's state leaves out what a sliding window has passed. Those tokens are needed when a conversation is
        # cut back, and without them the rest lies elsewhere and rounds differently. The whole context's state has all,
        # but to put it back that way lets llama.cpp write over them. So: saved the one way, restored the other.
        self._whole = int(lib.llama_model_n_swa(model)) > 0
        self.learned = bool(lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model))
        self.layout: StateLayout | None = None

    def learn(self, tokens: int) -> None:
        """Look at the state of the few tokens that the memory holds."""
        if not self.learned and tokens:
            self.learned = True
            self.layout = StateLayout.learn(self._get(), tokens, len(HEAD))

    def save(self, tokens: int) -> bytearray | None:
        """The state of the ``tokens`` tokens that the memory holds; None if it is not what it should be."""
        if self.layout is None:
            return None
        state = self._get()
        return state if len(state) == self.layout.size(tokens) else None

    def restore(self, state: SavedState) -> bool:
        """Fill the memory, which must be empty, from a state that ``layout`` fits; False leaves it in disorder."""
        data = (ctypes.c_uint8 * len(state)).from_buffer(state)
        return int(self._lib.llama_state_seq_set_data(self._context, data, len(state), 0)) == len(state)

    def _get(self) -> bytearray:
        """The state as a sequence's; empty if llama.cpp gives none."""
        lib, context = self._lib, self._context
        size = int(lib.llama_state_get_size(context) if self._whole else lib.llama_state_seq_get_size(context, 0))
        state = bytearray(size)
        data = (ctypes.c_uint8 * size).from_buffer(state)
        if self._whole:
            written = int(lib.llama_state_get_data(context, data, size))
        else:
            written = int(lib.llama_state_seq_get_data(context, data, size, 0))
        del data  # or the array could not change its length
        if written != size:
            return bytearray()
        if self._whole:  # it begins with the architecture, its length first
            state[: 4 + int.from_bytes(state[:4], "little")] = HEAD
        return state
