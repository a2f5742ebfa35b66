"""Frequent words are one token each; everything else is spelled, byte by byte.

So a name or a word to copy is a row of letters, whatever stands before it, and upper case differs from lower case
letter by letter. llama.cpp splits text like this for its ``llama-bpe``: a word of the vocabulary stays whole, and there
are no merges to put together anything else.
"""

from collections import Counter
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from tools.train_demo_model.data import WORDS
from tools.train_demo_model.dialogues import Message, conversation

END_OF_TEXT, START, END = SPECIAL = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPLIT = (  # as llama.cpp has it
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPELLED = {word.lower() for kind in ("names", "nouns", "adjectives", "verbs", "syllables") for word in WORDS[kind]}
"""What is copied in dialogues: were it tokens, the model would have to know their letters by heart."""
OFTEN = 600
"""Said so often, a word is a token nevertheless, and its letters are learned."""


def render(messages: list[Message], *, ask: bool = False) -> str:
    """The text of a conversation; with ``ask`` it ends where the reply begins. The chat template says the same."""
    text = "".join(f"{START}{m['role']}\n{m['content']}{END}\n" for m in messages)
    return text + f"{START}assistant\n" if ask else text


def of_vocabulary(tokens: list[str]) -> Tokenizer:
    """The tokenizer of ``tokens``, in the order of their numbers."""
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def build(seed: int, vocab: int, path: Path) -> Tokenizer:
    """Write to ``path`` a tokenizer of ``vocab`` tokens: the bytes, then the most frequent words of dialogues."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    splitter = of_vocabulary(letters).pre_tokenizer
    rng, counts = Random(f"{seed}:tokenizer"), Counter[str]()
    for _ in range(15_000):
        for message in conversation(rng, 3, careless=False):
            counts.update(word for word, _ in splitter.pre_tokenize_str(message["content"]))
    counts.update(dict.fromkeys(("system", "user", "assistant", "ĊĊ"), 10**6))
    words = [
        word
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if len(word) > 1
        and not any(c.isdigit() for c in word)
        and (word.strip("Ġ").lower() not in SPELLED or count > OFTEN)
    ]
    tokenizer = of_vocabulary([*SPECIAL, *letters, *words[: vocab - len(SPECIAL) - len(letters)]])
    tokenizer.save(str(path))
    return tokenizer


def load(path: Path) -> Tokenizer:
    """The tokenizer written by ``build``."""
    return Tokenizer.from_file(str(path))
