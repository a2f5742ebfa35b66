"""Memory that a model needs in this program, by purpose. Pure arithmetic, checked by ``bench/memory``.

Only memory that is touched counts: llama.cpp reserves room for the logits of every prefilled token, and uses one's.
"""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from function.gguf.header import Header
from function.gguf.kinds import ENCODERS
from function.gguf.reader import TensorInfo

KVType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]

KV_BITS: dict[KVType, float] = {
    "f32": 32,
    "f16": 16,
    "bf16": 16,
    "q8_0": 8.5,
    "q5_1": 6,
    "q5_0": 5.5,
    "q4_1": 5,
    "q4_0": 4.5,
}
"""Bits of one element of a KV cache."""

MIB = 1 << 20
DEFAULT_CONTEXT = 4096  # tokens, unless N_CTX is set
PROGRAM_BYTES = 80 * MIB  # interpreter, master and worker, llama.cpp's code: measured with a tiny model
TOKEN_BYTES = 250  # of a token and its merge in llama.cpp's vocabulary
CELLS = 256  # a context is rounded up to a multiple of this
MAX_PREFIX_CACHE_BYTES = 256_000_000
CHECKPOINTS = 8
CHUNK = 64  # tokens that the engine prefills at once on a CPU
MAX_SCORES_BYTES = 32 * MIB  # above it, attention is computed without keeping its scores
REPACKED = frozenset(("Q4_0", "Q4_K", "Q2_K", "IQ4_NL", "MXFP4"))
"""Types of weights that llama.cpp can copy into a faster layout on x86 with AVX2; other CPUs have other types."""
REPACKED_FOR_AMX = REPACKED | {"Q4_1", "Q8_0", "Q5_K", "Q6_K", "IQ4_XS", "F16"}
"""Types that a library built for AMX copies. F16 gains nothing and is copied nevertheless."""

# Every n-th layer sees the whole context instead of a window: llama.cpp's n for headers that do not have it.
WINDOW_PERIODS = {"gemma2": 2, "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "cohere2": 4, "exaone4": 4, "olmo2": 4,
                  "llama4": 4, "plamo3": 8, "smallthinker": 4, "phi3": 1, "afmoe": 4, "mellum": 4}  # fmt: skip
WITHOUT_CACHE = frozenset(ENCODERS) - {"llama-embed"}  # by create_memory in llama-model.cpp
# Tensors of layers that keep a state of fixed size, and of layers that keep keys.
RECURRENT = re.compile(r"blk\.(\d+)\.(?:ssm_|time_mix_|shortconv)")
ATTENTION = re.compile(r"blk\.(\d+)\.(?:attn_k\.|attn_qkv\.|attn_kv_a_mqa\.)")
ATTENTION_ALONE = re.compile(r"blk\.(\d+)\.(?:attn_k\.|attn_kv_a_mqa\.)")


@dataclass(frozen=True, slots=True)
class Fit:
    """Bytes by purpose. With ``limit`` None there is no limit."""

    n_ctx: int
    kv_type: KVType
    weights: int
    """Size of the file: mapped, so it is in memory once."""
    repacked: int
    """Size of the second copy, in a layout that prefills faster."""
    kv_cache: int
    """Keys and values of ``n_ctx`` tokens, and the states of recurrent layers."""
    prefix_cache: int
    """Saved conversations, and checkpoints of recurrent layers (see ``prefix_cache``)."""
    compute: int
    vocabulary: int
    program: int
    limit: int | None

    @property
    def beside(self) -> int:
        """All memory except the file."""
        return self.repacked + self.kv_cache + self.prefix_cache + self.compute + self.vocabulary + self.program

    @property
    def total(self) -> int:
        return self.weights + self.beside

    @property
    def least(self) -> int:
        """Minimum: all memory except the prefix cache."""
        return self.total - self.prefix_cache

    @property
    def fits(self) -> bool:
        """True if the minimum is within the limit."""
        return self.limit is None or self.least <= self.limit

    @property
    def prefix_room(self) -> int:
        """Bytes of the prefix cache within the limit."""
        if self.limit is None:
            return self.prefix_cache
        return max(0, min(self.prefix_cache, self.limit - self.total + self.prefix_cache))


def fit(
    header: Header,
    n_ctx: int,
    kv_type: KVType = "f16",
    limit: int | None = None,
    *,
    repack: Set[str] = frozenset(),
    chunk: int = CHUNK,
    whole_window: bool = True,
    size: int | None = None,
    prefixes: int | None = None,
) -> Fit:
    """Return the memory that the model needs with a context of ``n_ctx`` tokens.

    ``repack``: weights of these types are copied into a faster layout. ``whole_window``: sliding-window layers keep
    the whole context too, as in the engine, so that a conversation can be truncated. ``size``: bytes of all
    parts of a split model. ``prefixes``: bytes for the prefix cache, by default those of ``prefix_cache``. A model
    that makes embeddings has no prefix cache.
    """
    if header.reads_whole:
        chunk = n_ctx
    if header.pooling is not None:
        prefixes = 0
    return Fit(
        n_ctx=n_ctx,
        kv_type=kv_type,
        weights=header.file_size if size is None else size,
        repacked=copy(header, repack),
        kv_cache=_kv_cache(header, n_ctx, kv_type, chunk, whole_window) + _states(header),
        prefix_cache=prefix_cache(header, n_ctx, kv_type) if prefixes is None else prefixes,
        compute=_compute(header, n_ctx, chunk)
        + _pooled_logits(header, chunk)
        + (0 if flash_attention(max(header.heads), n_ctx, kv_type, chunk) else scores(max(header.heads), n_ctx, chunk)),
        vocabulary=header.vocabulary_size * TOKEN_BYTES,
        program=PROGRAM_BYTES,
        limit=limit,
    )


def scores(heads: int, n_ctx: int, chunk: int = CHUNK) -> int:
    """Return the bytes of a layer's attention scores, each token of a chunk with each of the context, in every head."""
    return 4 * heads * chunk * _padded(n_ctx)


def flash_attention(heads: int, n_ctx: int, kv_type: KVType = "f16", chunk: int = CHUNK) -> bool:
    """Return true if the engine, on a CPU, computes attention piece by piece instead of keeping all scores.

    That is slower far into a context (bench/README.md), but a long context needs it for its memory, and quantised keys
    and values require it.
    """
    return KV_BITS[kv_type] < KV_BITS["f16"] or scores(heads, n_ctx, chunk) > MAX_SCORES_BYTES


def prefix_cache(header: Header, n_ctx: int, kv_type: KVType = "f16") -> int:
    """Return the default size in bytes of the cache of saved conversations; PREFIX_CACHE_MB sets another.

    Two contexts, so that a whole one can be restored while another is saved; at most MAX_PREFIX_CACHE_BYTES. With
    recurrent layers also CHECKPOINTS states, to which a conversation can return.
    """
    states = _states(header)
    contexts = 2 * (_kv_cache(header, n_ctx, kv_type, CHUNK, True) + states)
    return min(contexts + CHECKPOINTS * states, MAX_PREFIX_CACHE_BYTES)


def largest_context(header: Header, wanted: Fit) -> int | None:
    """Return the largest context, in tokens, a multiple of 256, within ``wanted``'s limit; None if there is none."""
    if wanted.limit is None:
        return header.context_length
    low, high = 0, -(-header.context_length // CELLS)
    while low < high:
        middle = (low + high + 1) // 2
        tried = fit(header, middle * CELLS, wanted.kv_type, wanted.limit - wanted.repacked, size=wanted.weights)
        low, high = (middle, high) if tried.fits else (low, middle - 1)
    return min(low * CELLS, header.context_length) or None


def _pooled_logits(header: Header, chunk: int) -> int:
    """Return the bytes of the logits of a chunk's tokens, for which llama.cpp clears memory although none are read.

    A model that pools outputs every token. All but encoders compute the logits, too.
    """
    if header.pooling is None:
        return 0
    copies = 1 if header.architecture in ENCODERS else 2
    return copies * 4 * header.vocabulary_size * chunk


def _padded(n: int) -> int:
    return -(-n // CELLS) * CELLS


def _layers(pattern: re.Pattern[str], tensors: tuple[TensorInfo, ...]) -> set[int]:
    return {int(match[1]) for tensor in tensors if (match := pattern.match(tensor.name))}


def _kv_cache(header: Header, n_ctx: int, kv_type: KVType, chunk: int, whole_window: bool) -> int:
    if header.architecture in WITHOUT_CACHE:
        return 0
    window = header.field("attention.sliding_window")
    cells = _padded(n_ctx)
    narrow = cells if whole_window or not window else _padded(min(cells, window + chunk))
    recurrent = _layers(RECURRENT, header.tensors)
    keeping = _layers(ATTENTION, header.tensors) - recurrent | _layers(ATTENTION_ALONE, header.tensors)
    if header.split:  # the other parts' layers are not in this header
        keeping = set(range(header.block_count)) - recurrent
    used = header.block_count - header.field("nextn_predict_layers")
    shared = header.field("attention.shared_kv_layers")
    elements = 0
    for layer in sorted(keeping):
        if layer >= used - shared:
            continue
        slides = _slides(header, layer)
        elements += (narrow if slides else cells) * _width(header, layer, slides)
    return int(elements * KV_BITS[kv_type] / 8)


def _width(header: Header, layer: int, slides: bool) -> int:
    """Return the elements that one token adds to one layer."""
    suffix = "_swa" if slides else ""
    key = header.field(f"attention.key_length{suffix}", header.key_length)
    value = header.field(f"attention.value_length{suffix}", header.value_length)
    if header.field("attention.key_length_mla"):  # multi-head latent attention: the value is a part of the key
        return header.kv_heads[layer] * key
    return header.kv_heads[layer] * (key + value)


def _slides(header: Header, layer: int) -> bool:
    if not header.field("attention.sliding_window"):
        return False
    pattern = header.metadata.get(f"{header.architecture}.attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        return bool(pattern[layer]) if layer < len(pattern) else False
    period = pattern if type(pattern) is int else WINDOW_PERIODS.get(header.architecture, 0)
    return period == 1 or (period > 1 and layer % period < period - 1)


def _states(header: Header) -> int:
    """Return the bytes of the recurrent layers' states, in 32-bit floats, of one conversation."""
    layers = len(_layers(RECURRENT, header.tensors))
    n, inner, state = header.embedding_length, header.field("ssm.inner_size"), header.field("ssm.state_size")
    if head := header.field("wkv.head_size"):
        elements = n * header.field("token_shift_count", 2) + n * head
    elif cache := header.field("shortconv.l_cache"):
        elements = n * (cache - 1)
    else:
        groups = header.field("ssm.group_count")
        elements = max(header.field("ssm.conv_kernel") - 1, 0) * (inner + 2 * groups * state) + inner * state
    return layers * elements * 4


def _compute(header: Header, n_ctx: int, chunk: int) -> int:
    """Return the bytes of a chunk's widest activations, its attention mask, and one token's logits."""
    widths = header.metadata.get(f"{header.architecture}.feed_forward_length", 0)
    ff = max(widths) if isinstance(widths, tuple) and widths else header.field("feed_forward_length")
    inner = max(ff, 2 * header.field("ssm.inner_size"), max(header.heads) * header.key_length)
    return chunk * (4 * (3 * inner + 4 * header.embedding_length) + 2 * _padded(n_ctx)) + 4 * header.vocabulary_size


def copy(header: Header, types: Set[str]) -> int:
    """Return the bytes of the matrices of ``types`` used in multiplications: all but the embedding, a lookup table."""
    names = {tensor.name for tensor in header.tensors}
    return sum(
        tensor.size
        for tensor in header.tensors
        if tensor.type.name in types
        and len(tensor.dims) > 1
        and (tensor.name != "token_embd.weight" or "output.weight" not in names)
    )
