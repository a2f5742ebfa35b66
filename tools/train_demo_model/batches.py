"""Conversations as packed rows of tokens, made on the fly: a step's rows depend on the seed and the step alone."""

import re
import zlib
from dataclasses import dataclass, field
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor

from tools.train_demo_model.config import ModelConfig, TrainConfig
from tools.train_demo_model.dialogues import Message, conversation
from tools.train_demo_model.tokenizer import END, START, render


def fingerprint(text: str) -> int:
    """A question without its case and punctuation, as a number: what training has seen is kept as these."""
    return zlib.crc32(re.sub(r"[^\w+*/-]+", "", text.lower()).encode())


@dataclass
class Batch:
    """``tokens``, ``targets`` (rows, time; −100 where nothing is learned), ``positions``, and the attention mask."""

    tokens: Tensor
    targets: Tensor
    positions: Tensor
    mask: Tensor
    dialogues: int
    seen: list[int] = field(default_factory=list)


class Packer:
    """Fills rows with conversations; a token sees only its own conversation, and only replies are learned."""

    def __init__(self, tokenizer: Tokenizer, model: ModelConfig, train: TrainConfig) -> None:
        self.tokenizer, self.model, self.train = tokenizer, model, train

    def tokens_of(self, messages: list[Message]) -> tuple[list[int], list[bool]]:
        """A conversation's tokens, and which of them the model must say."""
        ids: list[int] = self.tokenizer.encode(render(messages)).ids
        start, end = self.tokenizer.token_to_id(START), self.tokenizer.token_to_id(END)
        said, index, speaking = [], -1, False
        for i, token in enumerate(ids):
            if token == start:
                index += 1
                begins = i + 3  # <|im_start|> assistant \n
                speaking = messages[index]["role"] == "assistant"
            said.append(speaking and i >= begins)
            if token == end:
                speaking = False
        return ids, said

    def batch(self, step: int) -> Batch:
        """The rows of one step."""
        rng = Random(f"{self.train.seed}:{step}")
        long = step % self.train.long_every == self.train.long_every - 1
        time = self.model.context if long else self.train.row
        rows = self.train.tokens_per_step // time
        tokens = torch.zeros(rows, time + 1, dtype=torch.long)
        learned = torch.zeros(rows, time + 1, dtype=torch.bool)
        documents = torch.full((rows, time), -1)
        positions = torch.zeros(rows, time, dtype=torch.long)
        count, seen = 0, []
        for row in range(rows):
            at = 0
            while at < time:
                turns = rng.randint(20, 50) if long and at < 300 else rng.choice((1, 1, 1, 2, 2, 3, 3, 4))
                messages = conversation(rng, turns, later=step >= self.train.later)
                ids, said = self.tokens_of(messages)
                ids, said = ids[: time + 1 - at], said[: time + 1 - at]
                stop = at + len(ids)
                tokens[row, at:stop] = torch.tensor(ids)
                learned[row, at:stop] = torch.tensor(said)
                documents[row, at : min(stop, time)] = count
                positions[row, at : min(stop, time)] = torch.arange(min(stop, time) - at)
                at, count = stop, count + 1
                seen += [fingerprint(m["content"]) for m in messages if m["role"] == "user"]
        same = documents[:, :, None] == documents[:, None, :]
        causal = torch.ones(time, time, dtype=torch.bool).tril()
        targets = torch.where(learned, tokens, -100)[:, 1:]
        return Batch(tokens[:, :-1], targets, positions, (same & causal)[:, None], count, seen)
