"""Vocabulary of a model: conversion between text and tokens.

llama.cpp only reads it, so any thread may use it while the model lives.
"""

import ctypes
import functools
from collections.abc import Iterable, Sequence
from typing import Any

from function.engine.llama.text_chunks import MAX_CHUNK_CHARACTERS, split_text
from function.errors import EngineError, ModelError, RequestError
from function.native.library import load_library

MAX_WORD_CHUNK_CHARACTERS = 16 * MAX_CHUNK_CHARACTERS
"""More than the context of an encoder holds; llama.cpp finds the special tokens among so many in 0.2 s."""


class Vocabulary:
    """Tokens are ids from 0 to ``size`` − 1. Raises ModelError for a model without a vocabulary."""

    def __init__(self, lib: Any, model: Any) -> None:
        self._lib = lib
        self.handle = lib.llama_model_get_vocab(model)
        """llama.cpp's handle."""
        if not self.handle or lib.llama_vocab_type(self.handle) == lib.LLAMA_VOCAB_TYPE_NONE:
            raise ModelError("The model has no vocabulary; it cannot answer with text.")
        self.size: int = lib.llama_vocab_n_tokens(self.handle)
        self.bos = self._id_or_none(lib.llama_vocab_bos(self.handle))
        self.eos = self._id_or_none(lib.llama_vocab_eos(self.handle))
        self.adds_bos: bool = lib.llama_vocab_get_add_bos(self.handle) and self.bos is not None
        self._kind = kind = lib.llama_vocab_type(self.handle)
        self.is_sentencepiece: bool = kind == lib.LLAMA_VOCAB_TYPE_SPM
        self.is_wordpiece: bool = kind == lib.LLAMA_VOCAB_TYPE_WPM
        is_unigram = kind == lib.LLAMA_VOCAB_TYPE_UGM
        # Neither of these two splits text with std::regex, and both would begin each chunk as a word of its own.
        self._chunk_characters = MAX_WORD_CHUNK_CHARACTERS if self.is_wordpiece or is_unigram else MAX_CHUNK_CHARACTERS
        self._pieces: dict[int, bytes] = {}
        self._buffer_bytes = 256

    def _id_or_none(self, token: int) -> int | None:
        return int(token) if 0 <= token < self.size else None

    def text_of(self, token: int | None) -> str:
        """Return a token's text in the vocabulary, such as ``<s>``; empty for None."""
        if token is None:
            return ""
        return str((self._lib.llama_vocab_get_text(self.handle, token) or b"").decode(errors="replace"))

    def has(self, text: str) -> bool:
        """Return true if ``text`` is a single token, as ``<|im_end|>`` is in many vocabularies."""
        return len(self.tokenize(text, add_special=False, parse_special=True)) == 1

    def is_end(self, token: int) -> bool:
        """Return true if ``token`` ends a reply."""
        return bool(self._lib.llama_vocab_is_eog(self.handle, token))

    def find_end_tokens(self) -> list[int]:
        """Return all tokens that end a reply. Looks at the whole vocabulary: milliseconds."""
        return [token for token in range(self.size) if self.is_end(token)]

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Return the tokens of ``text``.

        ``add_special`` puts BOS first if the model wants it; with ``parse_special``, ``<|im_end|>`` is a single token.
        """
        tokens = [self.bos] if add_special and self.adds_bos and self.bos is not None else []
        for number, chunk in enumerate(split_text(text, self._chunk_characters)):
            if number and self.is_sentencepiece:
                tokens += self._tokenize_continuation(chunk, parse_special)
            else:
                tokens += self._tokenize_chunk(chunk, parse_special)
        return tokens

    def count_at_least(self, text: str) -> int:
        """Return a number of tokens that ``text`` has at the least, by its length alone; 0 if that says nothing.

        White space is not counted, as some control tokens take any amount of it.
        """
        if self._longest_token_bytes is None:
            return 0
        letters = len(text) - sum(map(text.count, " \t\n\v\f\r"))
        return -(-letters // self._longest_token_bytes)

    @functools.cached_property
    def _longest_token_bytes(self) -> int | None:
        """Bytes that no token exceeds; None if a token may stand for any word. Looks at the whole vocabulary."""
        if not self.is_sentencepiece and self._kind != self._lib.LLAMA_VOCAB_TYPE_BPE:
            return None
        texts = (self._lib.llama_vocab_get_text(self.handle, token) or b"" for token in range(self.size))
        return max(map(len, texts), default=0) or None

    def tokenize_continuation(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Return the tokens of ``text`` in the middle of a reply. See ``tokenize``."""
        if not self.is_sentencepiece:
            return self.tokenize(text, add_special=False, parse_special=parse_special)
        return [token for chunk in split_text(text) for token in self._tokenize_continuation(chunk, parse_special)]

    def read_table(self) -> tuple[list[bytes], list[int], list[int]]:
        """Return each token's bytes (a control token's name), the control tokens, and the tokens that end a reply.

        Takes up to half a second.
        """
        control = [token for token in range(self.size) if self.is_control(token)]
        return [self._read_piece(token, special=True) for token in range(self.size)], control, self.find_end_tokens()

    def tokenize_pieces(self, pieces: Sequence[str]) -> list[int]:
        """Return the tokens of a text with its control tokens; none of them is in two of ``pieces``."""
        tokens = self.tokenize(pieces[0], add_special=False, parse_special=True)
        for piece in pieces[1:]:
            tokens += self.tokenize_continuation(piece, parse_special=True)
        return tokens

    def read_special_names(self) -> tuple[list[str], list[str]]:
        """Return the names of control tokens, and those of other tokens that are found in text before all others.

        Looks at the whole vocabulary: a millisecond for 152k tokens, or some tenths of a second without the C library.
        """
        lib, control, other = self._lib, list[str](), list[str]()
        control_mask = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        for token in self._find_tokens(control_mask | lib.LLAMA_TOKEN_ATTR_USER_DEFINED):
            names = control if lib.llama_vocab_get_attr(self.handle, token) & control_mask else other
            names.append(self.text_of(token))
        return control, other

    def _find_tokens(self, mask: int) -> list[int]:
        """Return the tokens with an attribute of ``mask``."""
        lib, library = self._lib, load_library("vocabulary")
        if library is None:
            return [token for token in range(self.size) if lib.llama_vocab_get_attr(self.handle, token) & mask]
        function = ctypes.cast(lib._lib.llama_vocab_get_attr, ctypes.c_void_p)
        found = (ctypes.c_int32 * self.size)()
        count = library.vocabulary_find(function, ctypes.c_void_p(self.handle), self.size, mask, found)
        return found[:count]

    def find_control_tokens(self, names: Iterable[str]) -> dict[str, int]:
        """Return the ids of those ``names`` that are control tokens."""
        found = {name: self.tokenize(name, add_special=False, parse_special=True) for name in names}
        return {name: tokens[0] for name, tokens in found.items() if len(tokens) == 1 and self.is_control(tokens[0])}

    def is_control(self, token: int) -> bool:
        """Return true for a control token, which adds no text to a reply."""
        return bool(self._lib.llama_vocab_is_control(self.handle, token))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens`` without control tokens. Raises RequestError for an unknown id."""
        self.check(tokens)
        return b"".join(map(self.piece, tokens)).decode(errors="replace")

    def check(self, tokens: Sequence[int], *, param: str = "tokens") -> None:
        """Raise RequestError, which names ``param``, unless all ``tokens`` are in the vocabulary."""
        if tokens and not (min(tokens) >= 0 and max(tokens) < self.size):
            bad = next(token for token in tokens if not 0 <= token < self.size)
            raise RequestError(f"There is no token {bad}; the vocabulary has 0 to {self.size - 1}.", param=param)

    def piece(self, token: int) -> bytes:
        """Return the bytes that ``token`` adds to a reply: often part of a character, none for a control token."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._read_piece(token)
        return piece

    def piece_or_name(self, token: int) -> bytes:
        """Return the bytes of ``token``, or a control token's name."""
        return self.piece(token) or self.text_of(token).encode()

    def _read_piece(self, token: int, *, special: bool = False) -> bytes:
        while True:
            size = self._buffer_bytes
            buffer = ctypes.create_string_buffer(size)
            count = int(self._lib.llama_token_to_piece(self.handle, token, buffer, size, 0, special))
            if count >= 0:
                return buffer.raw[:count]
            self._buffer_bytes = max(-count, size)

    def _tokenize_continuation(self, text: str, parse_special: bool) -> list[int]:
        """Return the tokens of ``text`` without the space that SentencePiece puts at the beginning of a text."""
        before = self._tokenize_chunk("\n", parse_special)
        tokens = self._tokenize_chunk("\n" + text, parse_special)
        return tokens[len(before) :] if tokens[: len(before)] == before else self._tokenize_chunk(text, parse_special)

    def _tokenize_chunk(self, text: str, parse_special: bool) -> list[int]:
        data = _to_utf8(text)
        room = len(data) + 16
        for _ in range(2):  # a negative count is the room that is needed
            tokens = (ctypes.c_int32 * room)()
            count = self._lib.llama_tokenize(self.handle, data, len(data), tokens, room, False, parse_special)
            if count >= 0:
                return tokens[:count]
            room = -count
        raise EngineError("llama.cpp did not tokenize the text.", code=count)


def _to_utf8(text: str) -> bytes:
    """Return ``text`` in UTF-8. Halves of surrogate pairs, which JSON can contain, become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
