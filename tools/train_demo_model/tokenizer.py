"""A byte-level BPE whose numbers are single digits: the same splits as llama.cpp's ``gpt-2`` pre-tokenizer."""

from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tools.train_demo_model.data import ASKING
from tools.train_demo_model.dialogues import Message
from tools.train_demo_model.skills import SKILLS, State

END_OF_TEXT, START, END = SPECIAL = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
WORDY = ("capitals", "common facts", "small talk", "identity", "this project", "declining", "sums", "differences")


def render(messages: list[Message], *, ask: bool = False) -> str:
    """The text of a conversation; with ``ask`` it ends where the reply begins. The chat template says the same."""
    text = "".join(f"{START}{m['role']}\n{m['content']}{END}\n" for m in messages)
    return text + f"{START}assistant\n" if ask else text


def build(seed: int, vocab: int, path: Path) -> Tokenizer:
    """Learn the merges from phrases the model hears and says, and write them to ``path``.

    Words that are only copied or spelled are left out, so that they fall into small pieces.
    """
    rng, state = Random(f"{seed}:tokenizer"), State()
    corpus = ASKING["system"] * 20 + ["system", "user", "assistant"] * 5000
    for skill in WORDY:
        for _ in range(6000):
            corpus += SKILLS[skill][1](rng, "train", state)
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, split])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=list(SPECIAL), initial_alphabet=split.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.pre_tokenizer = split  # no merge holds a digit, so the plain split is enough from here on
    tokenizer.save(str(path))
    return tokenizer


def load(path: Path) -> Tokenizer:
    """The tokenizer written by ``build``."""
    return Tokenizer.from_file(str(path))
