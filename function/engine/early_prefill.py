"""The first prompt, read while the model still arrives: layer by layer behind its bytes.

A fetch leaves the CPUs with little to do. llama.cpp asks, before it computes a few nodes of its graph, whether somebody
wants to look at them (``cb_eval``), and this is where to wait for the weights that they need. The nodes, their order
and so their numbers are those of any prefill. Nothing is sampled from them before the last byte is verified, and what
was computed from a file that did not become the model is thrown away.

It takes a context of its own, with room for one chunk: a callback stays with its context, and would cost every later
token a millisecond.
"""

import ctypes
import logging
import sys
import time
from collections.abc import Callable, Sequence

from function.engine.llama.library import function, library
from function.engine.llama.model import Model
from function.engine.llama.placeholder_file import ArrivingFile, PlaceholderFile
from function.errors import EngineError

log = logging.getLogger(__name__)

CELLS = 256
"""Tokens that the context has room for: what llama.cpp rounds a chunk up to."""
WINDOW = 0.3
"""Seconds over which is looked how busy the fetch is."""
MARGIN = 0.5
"""CPUs that are left to the fetch besides those it uses: what it loses on a fast wire is more than what is won here."""
_LAYER = b"l_out-"
"""How the last node of a layer is named. Where none is, all is computed once all bytes are there."""


class _Tensor(ctypes.Structure):
    """ggml.h's ``ggml_tensor``, up to its name."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
    )


class EarlyPrefill:
    """Reads one chunk for ``model`` behind ``source``. For the engine's thread; ``stop`` says when to give up."""

    def __init__(self, model: Model, source: PlaceholderFile, stop: Callable[[], bool]) -> None:
        self._model, self._source, self._stop = model, source, stop
        self._bytes_of = function("ggml_nbytes", ctypes.c_size_t)
        self._name_of = function("ggml_get_name", ctypes.c_char_p)
        self._there = 0
        self._given_up = False

    def read(self, tokens: Sequence[int], n_threads: int) -> bool:
        """Have ``tokens``, at most a chunk, in the model's memory, and its logits; whether that went well."""
        if not self._source.begin():
            return False
        lib = library()
        look = lib.ggml_backend_sched_eval_callback(self._look)
        try:
            context = self._model.context_aside(CELLS, n_threads, look)
        except EngineError as e:  # for want of memory, say: the model can be served all the same
            log.warning("the prompt is not read ahead: %s", e)
            return False
        try:
            array = (ctypes.c_int32 * len(tokens))(*tokens)
            code = int(lib.llama_decode(context, lib.llama_batch_get_one(array, len(tokens))))
            if code or self._given_up or not self._model.take_over(context):
                return False
            context = None
        finally:
            if context:
                lib.llama_free(context)
        return True

    def _look(self, address: int, ask: bool, _: object) -> bool:
        """Whether llama.cpp should stop after this node to be told, by False, to compute no further."""
        self._given_up = self._given_up or self._stop()
        if not ask:
            return not self._given_up
        try:
            tensor = _Tensor.from_address(address)
            if tensor.name != self._name_of(address):
                raise EngineError("llama.cpp's tensors are laid out otherwise than is known here.")
            needed = max((self._end(source) for source in tensor.src if source), default=0)
            if not self._given_up and needed > self._there:
                self._given_up = not self._source.await_bytes(needed, self._stop)
                self._there = needed
            return self._given_up or tensor.name.startswith(_LAYER)
        except Exception:  # must not cross C
            log.exception("the prompt is not read ahead")
            self._given_up = True
            return True

    def _end(self, address: int) -> int:
        """Where in the file a tensor ends, in bytes; 0 for one that is not of the file."""
        data = _Tensor.from_address(address).data
        start = self._source.offset(data) if data else None
        return 0 if start is None else start + int(self._bytes_of(address))


def spare(filling: ArrivingFile, n_threads: int, size: int) -> int:
    """Threads, of ``n_threads``, that the fetch of ``size`` bytes has no use for; it is watched for WINDOW seconds.

    0 once half of the bytes are there: with fewer threads, what is read behind them would be done later, not sooner.
    """

    theirs, ours, began = filling.cpu, time.process_time(), time.monotonic()
    filling.await_prefix(sys.maxsize, WINDOW)
    # Two processes' clocks: one that has not told of its own before has spent all of it since, as far as is known.
    spent = filling.cpu - theirs if filling.cpu else time.process_time() - ours
    used = max(0.0, spent) / (time.monotonic() - began)
    return 0 if 2 * filling.prefix > size else max(0, int(n_threads - used - MARGIN))
