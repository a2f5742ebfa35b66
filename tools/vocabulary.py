"""Generated vocabularies of any size that llama.cpp loads: byte-level BPE and SentencePiece-like. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # GGUF's token types

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# Characters of two, three and four bytes: some become one token, others two that each hold a part of the character.
WIDE = "éèüöñßçøåæЖпривет—“”…€日本語漢字한국어😀🎉👍🚀"
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
VOWELS = "aeiouy"

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True, slots=True)
class VocabularyFile:
    """Vocabulary as GGUF stores it.

    ``types`` and ``scores`` run parallel to ``tokens``; byte-level BPE has ``merges``, SentencePiece has scores.
    """

    tokens: list[str]
    types: list[int]
    scores: list[float]
    merges: list[str]
    bos: int
    eos: int


def byte_letters() -> list[str]:
    """Return the character for each byte in a byte-level vocabulary (GPT-2's table)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in shown else chr(next(hidden)) for byte in range(256)]


def bpe(size: int, seed: int = 0, controls: Sequence[str] = ()) -> VocabularyFile:
    """Return a vocabulary of 256 bytes, merges up to ``size``, ChatML's special tokens, and ``controls``."""
    letters = byte_letters()
    known = dict.fromkeys(letters)
    merges = []
    room = size - len(SPECIALS) - len(controls)
    for left, right in _merges(letters, random.Random(seed)):
        if len(known) == room:
            break
        if left + right not in known:
            known[left + right] = None
            merges.append(f"{left} {right}")
    tokens = [*known, *SPECIALS, *controls]
    types = [NORMAL] * room + [CONTROL] * (len(tokens) - room)
    return VocabularyFile(tokens, types, [], merges, bos=room, eos=room + 2)


def spm(size: int, seed: int = 0) -> VocabularyFile:
    """Return a vocabulary in Llama-2's layout: ``<unk> <s> </s>``, 256 byte tokens, then pieces by falling score."""
    known = dict.fromkeys(["▁", *LETTERS, *LETTERS.upper(), *"0123456789.,;:!?'\"-()\n", *WIDE])
    room = size - 3 - 256
    for left, right in _words("▁", random.Random(seed)):
        if len(known) == room:
            break
        known[left + right] = None
    pieces = list(known)[:room]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    types = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(pieces)]
    scores = [0.0] * 259 + [-float(i) for i in range(len(pieces))]
    return VocabularyFile(tokens, types, scores, [], bos=1, eos=2)


def _merges(letters: list[str], chance: random.Random) -> Iterator[tuple[str, str]]:
    for index, character in enumerate(dict.fromkeys(WIDE)):
        parts = [letters[byte] for byte in character.encode()]
        if len(parts) == 2:
            yield parts[0], parts[1]
        elif len(parts) == 3:
            yield parts[0], parts[1]
            if index % 2:
                yield parts[0] + parts[1], parts[2]
        else:
            yield parts[0], parts[1]
            yield parts[2], parts[3]
    yield from _words(letters[ord(" ")], chance)


def _words(space: str, chance: random.Random) -> Iterator[tuple[str, str]]:
    """Yield pairs of a known piece and a short one; together they are a new, longer piece."""
    short = [space, *LETTERS]
    pieces = [space] * 8 + short  # every fourth piece begins a word
    seen = set(pieces)
    while True:
        left, right = chance.choice(pieces), chance.choice(short)
        joint = left + right
        speakable = (left[-1] in VOWELS) != (right[0] in VOWELS) or left == space
        if speakable and right[0] != space and joint not in seen and len(joint) <= 14:
            seen.add(joint)
            pieces.append(joint)
            if len(joint) <= 3:
                short.append(joint)
            yield left, right
