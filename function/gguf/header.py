"""Description of a model from its GGUF header: the gate that every file passes before llama.cpp reads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import gcd
from pathlib import Path
from typing import TypeVar

from function.errors import ModelError, NotGGUF
from function.gguf import architectures, kinds, vocabulary
from function.gguf.fields import Fields
from function.gguf.kinds import Kind, Pooling
from function.gguf.reader import MAX_HEADER, Incomplete, RawHeader, TensorInfo, Value, read
from function.gguf.types import FILE_TYPES

FIRST_READ = 8 << 20  # bytes: more than nearly every header has
MAX_LAYERS, MAX_EXPERTS = 512, 1024  # llama.cpp's limits
MAX_WIDTH = 1 << 20  # elements in any dimension: a hundred times the largest that exists
ALIGNMENT_BYTES = 32  # llama.cpp's CPU backend aborts on weights at other places
ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")
DIVISORS = ("interleave_moe_layer_step", "full_attention_interval", "rope.dimension_count")


@dataclass(frozen=True, slots=True)
class Header:
    """Description of a model by its header. Sizes in bytes, lengths in tokens, widths in elements."""

    architecture: str
    name: str | None
    quantisation: str
    """Name as published (``Q4_K_M``), or the type of most of the weights."""
    parameters: int
    context_length: int
    embedding_length: int
    block_count: int
    heads: tuple[int, ...]
    """Query heads of each layer; 0 in layers without attention."""
    kv_heads: tuple[int, ...]
    key_length: int
    """Elements of one head's key; of its value: ``value_length``."""
    value_length: int
    vocabulary_size: int
    tokenizer: str
    chat_template: str | None
    pooling: Pooling | None
    """Pooling of an embedding model or reranker; None for a model that chats."""
    split: tuple[int, int] | None
    """(this part, parts) of a model that was split over several files; parts are counted from 0."""
    data_offset: int
    file_size: int
    tensors: tuple[TensorInfo, ...] = field(repr=False)
    metadata: Mapping[str, Value] = field(repr=False)

    @property
    def kind(self) -> Kind:
        """Use of the model: ``chat``, ``embedding`` or ``reranker``."""
        return kinds.kind_of(self.pooling)

    @property
    def reads_whole(self) -> bool:
        """True if a text is computed in one piece, not chunk by chunk."""
        causal = self.metadata.get(f"{self.architecture}.attention.causal", True) is not False
        return kinds.reads_whole(self.architecture, self.pooling, causal=causal)

    def with_pooling(self, pooling: Pooling | None) -> "Header":
        """Return the header with another pooling; None keeps the file's. Raises ModelError if it cannot have it."""
        if pooling is None or pooling == self.pooling:
            return self
        if pooling == "rank" and not self.split:
            kinds.check_head(self.tensors)
        return replace(self, pooling=pooling)

    def field(self, key: str, default: int = 0) -> int:
        """Return a number of the architecture by its short key."""
        value = self.metadata.get(f"{self.architecture}.{key}", default)
        return value if type(value) is int else default


def read_header(path: Path) -> Header:
    """Read the header of a whole file. Raises NotGGUF or ModelError, with the fault and its place."""
    return _from_file(path, lambda data, size: parse_header(data, file_size=size))


def read_stored(path: Path) -> RawHeader:
    """Read the stored header of a model or adapter. Raises NotGGUF."""
    return _from_file(path, read)


def check_part(path: Path, number: int, count: int) -> None:
    """Check that ``path`` is part ``number``, counted from 0, of ``count``: the gate for a split model's further files.

    Raises NotGGUF or ModelError.
    """
    stored = read_stored(path)
    if _split(stored.metadata) != (number, count):
        raise ModelError(f"{path.name} is not part {number + 1} of {count} of the split model.", path=str(path))
    _check_places(stored.tensors)


Read = TypeVar("Read")


def _from_file(path: Path, parse: Callable[[bytes, int], Read]) -> Read:
    wanted = FIRST_READ
    with path.open("rb") as file:
        size = file.seek(0, 2)
        while True:
            file.seek(0)
            try:
                return parse(file.read(wanted), size)
            except Incomplete as e:
                wanted = e.needed


def parse_header(data: bytes, *, file_size: int) -> Header:
    """Read the header at the start of ``data``, the first bytes of a file of ``file_size``.

    Raises Incomplete with the number of bytes needed; NotGGUF for a file that is no GGUF, is truncated or would make
    llama.cpp abort; ModelError for an intact model that cannot be served.
    """
    stored = read(bytes(data[:MAX_HEADER]), file_size)
    metadata = stored.metadata
    split = _split(metadata)
    if split and split[0]:
        raise ModelError(
            f"The file is part {split[0] + 1} of {split[1]} of a split model; give the first part.",
            part=split[0] + 1,
            parts=split[1],
        )
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise NotGGUF("The header does not name the model's architecture (general.architecture).")
    architectures.check_role(architecture)
    fields = Fields(metadata, architecture)
    pooling = kinds.read_pooling(fields)
    layers = fields.integer("block_count", 1, MAX_LAYERS)
    heads = architectures.heads(fields, layers, MAX_WIDTH)
    embedding = fields.integer("embedding_length", 1, MAX_WIDTH)
    default = embedding // heads[0] if heads[0] else 0
    header = Header(
        architecture=architecture,
        name=fields.text("general.name"),
        quantisation=_quantisation(metadata, stored.tensors),
        parameters=sum(tensor.elements for tensor in stored.tensors),
        context_length=fields.integer("context_length", 1, (1 << 31) - 1),
        embedding_length=embedding,
        block_count=layers,
        heads=heads,
        kv_heads=_kv_heads(fields, heads),
        key_length=fields.integer("attention.key_length", 1 if heads[0] else 0, MAX_WIDTH, default),
        value_length=fields.integer("attention.value_length", 1 if heads[0] else 0, MAX_WIDTH, default),
        vocabulary_size=vocabulary.check(fields, stored.tokens, stored.token_types, reads_only=pooling is not None),
        tokenizer=fields.text("tokenizer.ggml.model") or "",
        chat_template=fields.text("tokenizer.chat_template"),
        pooling=pooling,
        split=split,
        data_offset=stored.data_offset,
        file_size=file_size,
        tensors=stored.tensors,
        metadata=metadata,
    )
    _check_layers(fields, header)
    _check_tensors(header)
    kinds.check_encoder(
        fields,
        stored.tensors,
        layers=layers,
        embedding=embedding,
        heads=max(header.heads),
        key=header.key_length,
        value=header.value_length,
    )
    if pooling == "rank" and not split:
        kinds.check_head(stored.tensors)
    return header


def _split(metadata: Mapping[str, Value]) -> tuple[int, int] | None:
    number, count = metadata.get("split.no", 0), metadata.get("split.count", 0)
    if type(number) is not int or type(count) is not int or not 0 <= number < max(count, 1):
        raise NotGGUF(f"split.no is {number!r} and split.count {count!r}: not a part of a split model.")
    return (number, count) if count > 1 else None


def _quantisation(metadata: Mapping[str, Value], tensors: tuple[TensorInfo, ...]) -> str:
    given = metadata.get("general.file_type")
    if type(given) is int and given in FILE_TYPES:
        return FILE_TYPES[given]
    sizes: dict[str, int] = {}
    for tensor in tensors:
        sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.size
    return max(sizes, key=lambda name: sizes[name], default="none")


def _kv_heads(fields: Fields, heads: tuple[int, ...]) -> tuple[int, ...]:
    key = "attention.head_count_kv"
    given = f"{fields.architecture}.{key}" in fields.metadata
    kv_heads = fields.per_layer(key, len(heads), 0, MAX_WIDTH) if given else heads
    for layer, (q, kv) in enumerate(zip(heads, kv_heads, strict=True)):
        if kv and q % kv:
            raise NotGGUF(f"{q} query heads of layer {layer} cannot share {kv} heads of keys and values.", layer=layer)
    return kv_heads


def _check_layers(fields: Fields, header: Header) -> None:
    """Check numbers that llama.cpp asserts or divides by."""
    fields.per_layer("feed_forward_length", header.block_count, 0, 1 << 31, 0)
    fields.finite()
    for key in DIVISORS:
        fields.integer(key, 1, MAX_WIDTH, 1)
    if header.key_length and fields.integer("rope.dimension_count", 1, header.key_length, 2) % 2:
        raise NotGGUF(f"{header.architecture}.rope.dimension_count is odd.")
    rotated = fields.integer("rope.dimension_count", 0, MAX_WIDTH, header.key_length)
    architectures.check_sections(fields, min(rotated, header.key_length))
    architectures.check_rotation(fields, rotated, header.key_length, header.value_length)
    architectures.check_kinds(fields, header.kv_heads)
    architectures.check_state(fields, header.embedding_length)
    architectures.check_numbers(fields, header.block_count)
    fields.integer("nextn_predict_layers", 0, header.block_count - 1, 0)
    scaling = fields.text(f"{header.architecture}.rope.scaling.type")
    if scaling not in (None, *ROPE_SCALINGS):
        raise NotGGUF(
            f"{header.architecture}.rope.scaling.type is {scaling!r}; it must be one of {', '.join(ROPE_SCALINGS)}."
        )
    architectures.check_experts(fields, header.block_count, MAX_EXPERTS)
    experts = fields.integer("expert_count", 0, MAX_EXPERTS, 0)
    used = max(fields.per_layer("expert_used_count", header.block_count, 0, experts, 0))
    groups = fields.integer("expert_group_count", 0, max(experts - 1, 0), 0)
    if bool(experts) != bool(used):
        raise NotGGUF(f"The header has {experts} experts and uses {used} of them.", experts=experts, used=used)
    if groups > 1:
        fields.integer("expert_group_used_count", 1, groups - 1)
        if gcd(experts, groups) != groups:
            raise NotGGUF(f"{experts} experts do not divide into {groups} groups.", experts=experts, groups=groups)


def _check_tensors(header: Header) -> None:
    """Check types and places of tensors, on which llama.cpp's CPU backend aborts when it computes."""
    if not header.tensors:
        raise ModelError("The file holds no weights, only a vocabulary.")
    _check_places(header.tensors)


def _check_places(tensors: tuple[TensorInfo, ...]) -> None:
    for tensor in tensors:
        if tensor.offset % ALIGNMENT_BYTES:
            raise NotGGUF(
                f"The tensor {tensor.name!r} is at byte {tensor.offset:,}, not a multiple of {ALIGNMENT_BYTES}."
            )
        # The head of a reranker with one score is a matrix of one row: it is multiplied, not added.
        vector = all(dim == 1 for dim in tensor.dims[1:]) and not (
            tensor.name in kinds.HEAD_TENSORS and len(tensor.dims) > 1
        )
        state = ".ssm_conv1d" in tensor.name or tensor.name.endswith((".ssm_a", ".ssm_d"))
        if (vector or state) and tensor.type.name != "F32":
            raise NotGGUF(f"The tensor {tensor.name!r} is {tensor.type.name}; such tensors must be F32.")
        if not tensor.type.served and not (tensor.type.name == "I32" and "tid2eid" in tensor.name):
            raise NotGGUF(
                f"The tensor {tensor.name!r} is {tensor.type.name}, a type that models do not use for weights."
            )
