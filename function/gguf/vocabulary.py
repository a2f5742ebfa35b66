"""Checks of a header's vocabulary for faults on which llama.cpp would abort."""

from itertools import count

from function.errors import ModelError, NotGGUF
from function.gguf.fields import Fields
from function.gguf.reader import TOKENS_KEY, Array
from function.gguf.string_array import StringArray
from function.gguf.types import FLOAT32, INT32, STRING

TOKENIZERS = ("llama", "gpt2", "gemma4", "rwkv", "plamo2")  # of models that write text
READING_TOKENIZERS = (*TOKENIZERS, "bert", "t5")
SPECIAL = (
    "bos",
    "eos",
    "eot",
    "eom",
    "unknown",
    "seperator",
    "padding",
    "mask",
)  # "seperator" is the spelling of the format
BYTE = 6  # type of a token that is a byte
BYTE_PIECES = [f"<0x{byte:02X}>".encode() for byte in range(256)]


def check(fields: Fields, tokens: StringArray, types: bytes, *, reads_only: bool) -> int:
    """Check the vocabulary, whose texts are ``tokens`` and whose ``types`` are stored, and return its size.

    ``reads_only``: the model writes no text.

    Raises NotGGUF, or ModelError for a vocabulary that cannot be used.
    """
    tokenizer = fields.text("tokenizer.ggml.model")
    known = READING_TOKENIZERS if reads_only else TOKENIZERS
    if tokenizer is None or tokenizer not in known:
        use = "read" if reads_only else "written"
        raise ModelError(
            f"The model's tokenizer is {tokenizer!r}; text can be {use} with {', '.join(known)}.", tokenizer=tokenizer
        )
    fields.text("tokenizer.ggml.pre")
    array = fields.metadata.get(TOKENS_KEY)
    if not isinstance(array, Array) or array.type != STRING:
        raise NotGGUF(f"{TOKENS_KEY} is missing or not an array of texts.", key=TOKENS_KEY)
    size = array.count
    fields.array("tokenizer.ggml.scores", (FLOAT32, INT32), size, "numbers")
    fields.array("tokenizer.ggml.token_type", (INT32,), size, "whole numbers")
    if tokenizer == "bert" and BYTE in memoryview(types).cast("i"):  # GGML_ABORT in token_to_byte of llama-vocab.cpp
        raise NotGGUF("A WordPiece vocabulary has tokens of single bytes.")
    merges = fields.metadata.get("tokenizer.ggml.merges")
    merged = tokenizer in ("gpt2", "gemma4") and fields.metadata.get("tokenizer.ggml.pre") != "kimi-k2"
    if merged and not (isinstance(merges, Array) and merges.type == STRING):
        raise NotGGUF("tokenizer.ggml.merges is missing or not an array of texts.", key="tokenizer.ggml.merges")
    _check_tokens(tokenizer, tokens)
    for name in SPECIAL:
        key = f"tokenizer.ggml.{name}_token_id"
        token = fields.metadata.get(key)
        if token is not None and (type(token) is not int or not 0 <= token < size):
            raise NotGGUF(f"{key} is {token!r}, outside of the vocabulary of {size:,} tokens.", key=key)
    return size


def _check_tokens(tokenizer: str, stored: StringArray) -> None:
    if tokenizer != "llama" and stored.is_distinct():
        return
    tokens = stored.read()
    known = set(tokens)
    if b"" in known:  # llama.cpp names them so
        tokens = [token or b"[EMPTY_%d]" % index for index, token in zip(count(), tokens, strict=False)]
        known = set(tokens)
    if len(known) != len(tokens):
        seen: set[bytes] = set()
        for index, token in enumerate(tokens):
            if token in seen:
                raise NotGGUF(f"Token {index:,} of the vocabulary, {token[:40]!r}, is a duplicate.", token=index)
            seen.add(token)
    # Text that no longer token covers is written in bytes: llama.cpp's lookup of a missing byte ends the process.
    if tokenizer == "llama":
        for byte, piece in enumerate(BYTE_PIECES):
            if piece not in known and bytes([byte]) not in known:
                raise NotGGUF(f"The vocabulary lacks a token for the byte {byte}.", byte=byte)
