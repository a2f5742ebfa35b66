"""Saving and restoring the state of a context with llama.cpp's functions; for the engine's thread."""

import ctypes
import struct
from typing import Any

from function.engine.llama.state_layout import SavedState, StateLayout

SEQUENCE_HEADER = struct.pack("<Ii", 0xAF143CD8, 0)
"""Beginning of a sequence's state: llama.cpp's magic number and the sequence's id."""


class StateIO:
    """Saves and restores states of ``context``. ``layout`` is their form, known after ``learn_layout``.

    It stays None for a model whose states cannot be verified or cut: recurrent and hybrid models, positions in several
    dimensions. Then nothing is saved.
    """

    def __init__(self, lib: Any, model: Any, context: Any) -> None:
        self._lib = lib
        self._context = context
        # A sequence's state leaves out the tokens that a sliding window has passed. They are needed when a conversation
        # is cut back, and without them the others lie elsewhere and round differently. The whole context's state has
        # all tokens, but restoring it lets llama.cpp overwrite them. So: saved as a context, restored as a sequence.
        self._saves_context = int(lib.llama_model_n_swa(model)) > 0
        self.is_learned = bool(lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model))
        self.layout: StateLayout | None = None

    def learn_layout(self, tokens: int) -> None:
        """Learn the layout from the state of the few ``tokens`` tokens in the context, once."""
        if not self.is_learned and tokens:
            self.is_learned = True
            self.layout = StateLayout.learn(self._read(), tokens, len(SEQUENCE_HEADER))

    def save(self, tokens: int) -> bytearray | None:
        """Return the state of the ``tokens`` tokens in the context; None if it does not have the expected size."""
        if self.layout is None:
            return None
        state = self._read()
        return state if len(state) == self.layout.size(tokens) else None

    def restore(self, state: SavedState) -> bool:
        """Fill the empty context from a state that fits ``layout``. After false the context must be cleared."""
        data = (ctypes.c_uint8 * len(state)).from_buffer(state)
        return int(self._lib.llama_state_seq_set_data(self._context, data, len(state), 0)) == len(state)

    def _read(self) -> bytearray:
        """Return the state in a sequence's form; empty if llama.cpp returns none."""
        lib, context = self._lib, self._context
        if self._saves_context:
            state = bytearray(int(lib.llama_state_get_size(context)))
            data = (ctypes.c_uint8 * len(state)).from_buffer(state)
            written = int(lib.llama_state_get_data(context, data, len(state)))
        else:
            state = bytearray(int(lib.llama_state_seq_get_size(context, 0)))
            data = (ctypes.c_uint8 * len(state)).from_buffer(state)
            written = int(lib.llama_state_seq_get_data(context, data, len(state), 0))
        del data  # or the array could not change its length
        if written != len(state):
            return bytearray()
        if self._saves_context:  # it begins with the architecture's name, preceded by its length
            state[: 4 + int.from_bytes(state[:4], "little")] = SEQUENCE_HEADER
        return state
