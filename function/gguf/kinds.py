"""Kinds of models: those that chat, those that make embeddings, and rerankers."""

from typing import Literal

from function.errors import ModelError, NotGGUF
from function.gguf.fields import Fields
from function.gguf.reader import TensorInfo

Kind = Literal["chat", "embedding", "reranker"]
Pooling = Literal["mean", "cls", "last", "rank"]
"""Reduction of a text's vectors, one a token, to one vector: their mean, the first, the last, or a score."""

NO_POOLING = 0
POOLINGS: dict[int, Pooling] = {1: "mean", 2: "cls", 3: "last", 4: "rank"}
"""llama.cpp's numbers of the types in ``pooling_type``; any other number would end the process."""
PROJECTED = ("bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3",
             "eurobert")  # fmt: skip
"""Encoders whose heads divide the embedding (``build_qkv``)."""
ENCODERS = (*PROJECTED, "gemma-embedding", "llama-embed")
"""Architectures that only read: each token sees the whole text."""
UNSERVED = ("t5", "t5encoder", "clip", "wavtokenizer-dec")
GATED = "jina-bert-v2"  # GGML_ASSERT(n_ffn_up == n_ff || n_ffn_up == n_ff * 2)
DENSE = ("dense_2_feat_in", "dense_3_feat_out")  # of gemma-embedding: GGML_ASSERT that each is 0 or n_embd
WINDOWED = {"gemma-embedding": (6, True), "modern-bert": (3, False)}
"""Encoders in which one of so many layers sees the whole text, the last or the first of them, and the others a window.
Without layers of both kinds one of their masks gets no buffer, which ggml asserts (set_input in llama-graph.cpp)."""
HEAD_TENSORS = ("cls.weight", "cls.output.weight")


def kind_of(pooling: Pooling | None) -> Kind:
    """Return the kind of a model with ``pooling``."""
    return "chat" if pooling is None else "reranker" if pooling == "rank" else "embedding"


def read_pooling(fields: Fields) -> Pooling | None:
    """Return the pooling that the file asks for, ``mean`` for an encoder without any, and None for a chat model.

    Raises NotGGUF for an unknown type of pooling, ModelError for an architecture of another kind.
    """
    name = fields.architecture
    if name in UNSERVED:
        raise ModelError(f"The model is a {name}: it neither writes text nor makes embeddings.", architecture=name)
    number = fields.integer("pooling_type", NO_POOLING, max(POOLINGS), NO_POOLING)
    return POOLINGS.get(number, "mean" if name in ENCODERS else None)


def reads_whole(architecture: str, pooling: Pooling | None, *, causal: bool) -> bool:
    """Return True if a text is computed in one piece, because tokens see later ones or the pooling needs them all."""
    return architecture in ENCODERS or pooling in ("mean", "cls") or (pooling is not None and not causal)


def check_encoder(
    fields: Fields, tensors: tuple[TensorInfo, ...], *, layers: int, embedding: int, heads: int, key: int, value: int
) -> None:
    """Check numbers that llama.cpp asserts when an encoder reads a text. Raises NotGGUF."""
    name = fields.architecture
    if name in ENCODERS and key != value:
        raise NotGGUF(f"A head's key has {key:,} elements and its value {value:,}; in a {name} they are equal.")
    if name in PROJECTED and heads * key != embedding:
        raise NotGGUF(f"{heads} heads of {key} elements do not make up the {embedding:,} of {name}.embedding_length.")
    if name == GATED:
        hidden = fields.integer("feed_forward_length", 1, 1 << 31)
        for tensor in tensors:
            if tensor.name.endswith(".ffn_up.weight") and tensor.dims[-1] not in (hidden, 2 * hidden):
                raise NotGGUF(f"The tensor {tensor.name!r} has {tensor.dims[-1]:,} rows, not {hidden:,} or twice that.")
    if name in WINDOWED and fields.integer("attention.sliding_window", 0, 1 << 31, 0):
        _check_windows(fields, layers, *WINDOWED[name])
    for field in DENSE if name == "gemma-embedding" else ():
        if fields.integer(field, 0, 1 << 20, 0) not in (0, embedding):
            raise NotGGUF(f"{name}.{field} is neither 0 nor {embedding:,}, the length of an embedding.")


def _check_windows(fields: Fields, layers: int, period: int, last: bool) -> None:
    key = "attention.sliding_window_pattern"
    given = fields.metadata.get(f"{fields.architecture}.{key}")
    if isinstance(given, tuple):
        slides = [bool(value) for value in given[:layers]]
    else:
        period = fields.integer(key, 0, 1 << 20, period)
        slides = [not period or layer % period != (period - 1 if last else 0) for layer in range(layers)]
    if all(slides) or not any(slides):
        seen = "a window" if any(slides) else "the whole text"
        raise NotGGUF(f"All {layers} layers see {seen}; in a {fields.architecture} some see each.")


def check_head(tensors: tuple[TensorInfo, ...]) -> None:
    """Check that a reranker has the layer that computes its score. Raises ModelError."""
    if not any(tensor.name in HEAD_TENSORS for tensor in tensors):
        raise ModelError(
            f"The model cannot rerank: it has none of the tensors {', '.join(HEAD_TENSORS)}, which compute the score. "
            "Convert it from the original with llama.cpp's converter, or unset POOLING if that is rank."
        )
