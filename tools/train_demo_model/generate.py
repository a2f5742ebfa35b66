"""Greedy replies for many prompts at once, with a key-value cache."""

import torch
from torch import Tensor

from tools.train_demo_model.model import Transformer


@torch.inference_mode()
def greedy(model: Transformer, prompts: list[list[int]], end: int, limit: int = 80, batch: int = 64) -> list[list[int]]:
    """The tokens that follow each prompt, up to and without ``end``, in the order of ``prompts``."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    replies: dict[int, list[int]] = {}
    for first in range(0, len(order), batch):
        chosen = order[first : first + batch]
        for i, reply in zip(chosen, _together(model, [prompts[i] for i in chosen], end, limit), strict=True):
            replies[i] = reply
    return [replies[i] for i in range(len(prompts))]


def _together(model: Transformer, prompts: list[list[int]], end: int, limit: int) -> list[list[int]]:
    device = model.token_embd.device
    lengths = torch.tensor([len(p) for p in prompts], device=device)
    longest, count = max(len(p) for p in prompts), len(prompts)
    room = min(longest + limit, model.config.context)
    tokens = torch.zeros(count, longest, dtype=torch.long, device=device)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt)
    positions = torch.arange(longest, device=device).expand(count, longest)
    causal = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
    hidden, states = model(tokens, positions, causal.expand(count, 1, longest, longest))
    cache = [tuple(_padded(x, room) for x in state) for state in states]
    keys, at = torch.arange(room, device=device), lengths
    following = model.logits(hidden[torch.arange(count), lengths - 1]).argmax(-1)
    replies: list[list[int]] = [[] for _ in prompts]
    open_rows = set(range(count))
    while open_rows and int(at.max()) < room:
        for row in list(open_rows):
            if int(following[row]) == end or len(replies[row]) == limit:
                open_rows.remove(row)
            else:
                replies[row].append(int(following[row]))
        mask = (keys[None] <= at[:, None])[:, None, None]
        hidden, _ = model(following[:, None], at[:, None], mask, cache, at)
        following, at = model.logits(hidden[:, 0]).argmax(-1), at + 1
    return replies


def _padded(x: Tensor, room: int) -> Tensor:
    batch, heads, time, size = x.shape
    return torch.cat((x, x.new_zeros(batch, heads, room - time, size)), dim=2)
