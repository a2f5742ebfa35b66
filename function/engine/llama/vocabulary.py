"""The model's vocabulary: text ↔ tokens. Read-only in llama.cpp, so any thread may ask it while the model lives."""

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any

from function.engine.llama.library import library
from function.engine.llama.text_chunks import text_chunks
from function.errors import EngineError, ModelError, RequestError


class Vocabulary:
    """Tokens are ids from 0 to ``size`` − 1. Raises ModelError for a model without a vocabulary."""

    def __init__(self, model: Any) -> None:
        lib = self._lib = library()
        self._vocab = lib.llama_model_get_vocab(model)
        if not self._vocab or lib.llama_vocab_type(self._vocab) == lib.LLAMA_VOCAB_TYPE_NONE:
            raise ModelError("The model has no vocabulary; it cannot answer with text.")
        self.size: int = lib.llama_vocab_n_tokens(self._vocab)
        self.bos = self._special(lib.llama_vocab_bos)
        self.eos = self._special(lib.llama_vocab_eos)
        self.adds_bos: bool = lib.llama_vocab_get_add_bos(self._vocab) and self.bos is not None
        self.is_sentencepiece: bool = lib.llama_vocab_type(self._vocab) == lib.LLAMA_VOCAB_TYPE_SPM
        self._pieces: dict[int, bytes] = {}
        self._buffer_size = 256

    @property
    def handle(self) -> Any:
        """What llama.cpp knows it by."""
        return self._vocab

    def _special(self, ask: Any) -> int | None:
        token = int(ask(self._vocab))
        return token if 0 <= token < self._lib.llama_vocab_n_tokens(self._vocab) else None

    def text_of(self, token: int | None) -> str:
        """A token as the vocabulary spells it, ``<s>`` for example; empty for None."""
        if token is None:
            return ""
        return str((self._lib.llama_vocab_get_text(self._vocab, token) or b"").decode(errors="replace"))

    def has(self, text: str) -> bool:
        """Whether ``text`` is one token by itself, as ``<|im_end|>`` is where it is known."""
        return len(self.tokenize(text, add_special=False, parse_special=True)) == 1

    def is_end(self, token: int) -> bool:
        """Whether ``token`` ends a generation."""
        return bool(self._lib.llama_vocab_is_eog(self._vocab, token))

    def end_tokens(self) -> list[int]:
        """All tokens that end a generation. Asks for each token of the vocabulary: milliseconds."""
        return [token for token in range(self.size) if self.is_end(token)]

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """The tokens of ``text``. ``add_special``: with BOS before it where the model wants one. ``parse_special``:
        ``<|im_end|>`` and its like are single tokens, not text.
        """
        tokens = [self.bos] if add_special and self.adds_bos and self.bos is not None else []
        for number, segment in enumerate(text_chunks(text)):
            if number and self.is_sentencepiece:
                tokens += self._continue(segment, parse_special)
            else:
                tokens += self._tokenize(segment, parse_special)
        return tokens

    def continuation(self, text: str) -> list[int]:
        """The tokens of ``text`` in the middle of a reply, special ones' names being text like any other."""
        if not self.is_sentencepiece:
            return self.tokenize(text, add_special=False, parse_special=False)
        return [token for segment in text_chunks(text) for token in self._continue(segment, False)]

    def table(self) -> tuple[list[bytes], list[int], list[int]]:
        """What each token writes, a control token its name; the control tokens; those that end a generation.

        Asks for each token of the vocabulary: up to half a second.
        """
        control = [token for token in range(self.size) if self.is_control(token)]
        return [self._piece(token, special=True) for token in range(self.size)], control, self.end_tokens()

    def marks(self, names: Iterable[str]) -> dict[str, int]:
        """Those of ``names`` that are control tokens, which text does not show."""
        found = {name: self.tokenize(name, add_special=False, parse_special=True) for name in names}
        return {name: tokens[0] for name, tokens in found.items() if len(tokens) == 1 and self.is_control(tokens[0])}

    def is_control(self, token: int) -> bool:
        """Whether ``token`` is a mark that text does not show."""
        return bool(self._lib.llama_vocab_is_control(self._vocab, token))

    def _continue(self, text: str, parse_special: bool) -> list[int]:
        """The tokens of ``text`` without the space that SentencePiece puts before a beginning."""
        before = self._tokenize("\n", parse_special)
        tokens = self._tokenize("\n" + text, parse_special)
        return tokens[len(before) :] if tokens[: len(before)] == before else self._tokenize(text, parse_special)

    def _tokenize(self, text: str, parse_special: bool) -> list[int]:
        data = _utf8(text)
        room = len(data) + 16
        for _ in range(2):  # a negative count is the room it takes
            tokens = (ctypes.c_int32 * room)()
            count = self._lib.llama_tokenize(self._vocab, data, len(data), tokens, room, False, parse_special)
            if count >= 0:
                return tokens[:count]
            room = -count
        raise EngineError("llama.cpp did not tokenize the text.", code=count)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``, control tokens left out. Raises RequestError for an id that is none."""
        self.check(tokens)
        return b"".join(map(self.piece, tokens)).decode(errors="replace")

    def check(self, tokens: Sequence[int], *, param: str = "tokens") -> None:
        """Raise RequestError, which names ``param``, unless all ``tokens`` are in the vocabulary."""
        if tokens and not (min(tokens) >= 0 and max(tokens) < self.size):
            bad = next(token for token in tokens if not 0 <= token < self.size)
            raise RequestError(f"There is no token {bad}; the vocabulary has 0 to {self.size - 1}.", param=param)

    def spelled(self, token: int) -> bytes:
        """The bytes of ``token``; of a control token its name."""
        return self.piece(token) or self.text_of(token).encode()

    def piece(self, token: int) -> bytes:
        """The bytes that ``token`` adds to a reply, nothing for a control token. Not always whole characters."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._piece(token)
        return piece

    def _piece(self, token: int, *, special: bool = False) -> bytes:
        while True:
            size = self._buffer_size
            buffer = ctypes.create_string_buffer(size)
            count = int(self._lib.llama_token_to_piece(self._vocab, token, buffer, size, 0, special))
            if count >= 0:
                return buffer.raw[:count]
            self._buffer_size = max(-count, size)


def _utf8(text: str) -> bytes:
    """UTF-8, whatever ``text`` holds: halves of surrogate pairs, which JSON may spell, become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
