"""Saving and restoring the state of a context with llama.cpp's functions; for the engine's thread."""

import ctypes
import struct
from collections.abc import Sequence
from typing import Any

from function.engine.llama.state_layout import SavedState, StateLayout

SEQUENCE_HEADER = struct.pack("<Ii", 0xAF143CD8, 0)
"""Beginning of a sequence's state: llama.cpp's magic number and the sequence's id."""


class StateIO:
    """Saves and restores states of ``context``. ``layout`` is their form, known after ``learn_layout``.

    It stays None for a model whose states cannot be verified, such as a hybrid one with a sliding window. Then no whole
    state is saved.
    """

    def __init__(self, lib: Any, model: Any, context: Any) -> None:
        self._lib = lib
        self._context = context
        # A sequence's state leaves out the tokens that a sliding window has passed. They are needed when a conversation
        # is cut back, and without them the others lie elsewhere and round differently. The whole context's state has
        # all tokens, but restoring it lets llama.cpp overwrite them. So: saved as a context, restored as a sequence.
        self._saves_context = int(lib.llama_model_n_swa(model)) > 0
        self.is_recurrent = bool(lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model))
        """True if the state of some layers cannot be cut back, but only replaced by a checkpoint."""
        self.is_exact = not (self.is_recurrent and self._saves_context)
        """True if tokens after a restored checkpoint are computed bit for bit as without it."""
        self.is_learned = not self.is_exact
        self.layout: StateLayout | None = None

    def learn_layout(self, tokens: Sequence[int]) -> None:
        """Learn the layout from the state of ``tokens``, the few in the context, once."""
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

    def checkpoint_size(self) -> int:
        """Return the bytes of a checkpoint: the state of the layers that cannot be cut back."""
        partial = self._lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        return int(self._lib.llama_state_seq_get_size_ext(self._context, 0, partial))

    def save_checkpoint(self, size: int) -> bytearray | None:
        """Return a checkpoint of ``size`` bytes; None if llama.cpp returns another size."""
        partial = self._lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        state = bytearray(size)
        data = (ctypes.c_uint8 * size).from_buffer(state)
        written = int(self._lib.llama_state_seq_get_data_ext(self._context, data, size, 0, partial))
        return state if written == size else None

    def restore_checkpoint(self, state: SavedState) -> bool:
        """Set the layers that cannot be cut back to a checkpoint. After false the context must be cleared."""
        data = (ctypes.c_uint8 * len(state)).from_buffer(state)
        partial = self._lib.LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY
        return int(self._lib.llama_state_seq_set_data_ext(self._context, data, len(state), 0, partial)) == len(state)

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
