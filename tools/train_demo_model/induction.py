"""A head start: the forms of a word begin alike, and two heads together find what followed a token the last time.

Such an induction circuit forms by itself too, but only after some ten million tokens, and until then names, sentences
and numbers are not copied at all. Training is free to change all of it.
"""

import torch
from torch import Tensor

from tools.train_demo_model.model import Transformer

PAIRS = 4  # fast rotary pairs, by which one position is told from the next
FIRST = 14  # the first row of a head that turns slowly enough to compare tokens far apart


@torch.no_grad()
def set_alike(model: Transformer, tokens: list[str]) -> None:
    """Begin with half-alike vectors for the forms of a word or letter: in upper or lower case, after a space or not."""
    forms: dict[str, int] = {}
    of = torch.tensor([forms.setdefault(token.strip("Ġ").lower(), len(forms)) for token in tokens])
    shared = torch.randn(len(forms), model.config.width) * model.token_embd.std()
    model.token_embd.copy_((model.token_embd + shared[of]) / 2**0.5)


@torch.no_grad()
def set_induction(model: Transformer) -> None:
    """Set the embedding's first dimension, heads 0 and 1 of layer 0, and heads 2 and 3 of layer 1."""
    size, width = model.config.head_dim, model.config.width
    model.token_embd[:, 0] = 6 * model.token_embd[:, 1:].std()  # a constant, for heads that look at position alone
    constant = 6 / (1 + 36 / width) ** 0.5
    reading, writing, value = _directions(size, width), _directions(size, width), _directions(size, width)

    first = model.blk[0]
    rates = model.config.rope_base ** (-torch.arange(0, size, 2)[:PAIRS] / size)
    strength = 50**0.5 / constant
    first.attn_k.weight[:size] = 0
    first.attn_k.weight[0 : 2 * PAIRS : 2, 0] = strength
    for head in (0, 1):
        rows = first.attn_q.weight[head * size : (head + 1) * size]
        rows.zero_()
        rows[0 : 2 * PAIRS : 2, 0] = strength * rates.cos()  # the score is largest one position back
        rows[1 : 2 * PAIRS : 2, 0] = -strength * rates.sin()
    first.attn_v.weight[:size] = reading
    first.attn_output.weight[:, :size] = 3 * model.token_embd[:, 1:].std() * writing.T

    second = model.blk[1]
    second.attn_k.weight[size : 2 * size] = 0
    second.attn_k.weight[size + FIRST : 2 * size] = 2 * writing[FIRST:]
    for head in (2, 3):
        rows = second.attn_q.weight[head * size : (head + 1) * size]
        rows.zero_()
        rows[FIRST:] = 2 * reading[FIRST:]
    second.attn_v.weight[size : 2 * size] = value
    second.attn_output.weight[:, 2 * size : 3 * size] = 8 * model.token_embd[:, 1:].std() * value.T


def _directions(count: int, width: int) -> Tensor:
    """``count`` orthonormal rows that do not see the first dimension."""
    rows = torch.linalg.qr(torch.randn(width, count))[0].T.contiguous()
    rows[:, 0] = 0
    return rows
