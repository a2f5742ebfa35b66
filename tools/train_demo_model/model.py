"""The network, in the convention llama.cpp expects: rotary pairs are neighbours (2i, 2i+1)."""

import math
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)
from torch import Tensor, nn

from tools.train_demo_model.config import ModelConfig

Cache = list[tuple[Tensor, Tensor]]


def rotate(x: Tensor, turn: Tensor) -> Tensor:
    """Turn each neighbouring pair of ``x`` (batch, time, heads, head_dim) by its position's angle."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2)


class Block(nn.Module):
    """One layer: attention, then SwiGLU, each behind its norm and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width, kv = config.width, config.kv_heads * config.head_dim
        self.attn_norm = nn.Parameter(torch.ones(width))
        self.ffn_norm = nn.Parameter(torch.ones(width))
        self.attn_q = nn.Linear(width, width, bias=False)
        self.attn_k = nn.Linear(width, kv, bias=False)
        self.attn_v = nn.Linear(width, kv, bias=False)
        self.attn_output = nn.Linear(width, width, bias=False)
        self.ffn_gate = nn.Linear(width, config.hidden, bias=False)
        self.ffn_up = nn.Linear(width, config.hidden, bias=False)
        self.ffn_down = nn.Linear(config.hidden, width, bias=False)

    def attend(
        self, x: Tensor, turn: Tensor, mask: Tensor, past: tuple[Tensor, Tensor] | None, at: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """``x`` (batch, time, width). With ``past`` the new keys and values are written into it at ``at``."""
        c = self.config
        batch, time, _ = x.shape
        h = F.rms_norm(x, (c.width,), self.attn_norm, c.norm_eps)
        q = rotate(self.attn_q(h).view(batch, time, c.heads, c.head_dim), turn).transpose(1, 2)
        k = rotate(self.attn_k(h).view(batch, time, c.kv_heads, c.head_dim), turn).transpose(1, 2)
        v = self.attn_v(h).view(batch, time, c.kv_heads, c.head_dim).transpose(1, 2)
        if past is not None and at is not None:
            rows = torch.arange(batch)
            past[0][rows, :, at] = k[:, :, 0]
            past[1][rows, :, at] = v[:, :, 0]
            k, v = past
        group = c.heads // c.kv_heads
        out = F.scaled_dot_product_attention(
            q, k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1), attn_mask=mask
        )
        return x + self.attn_output(out.transpose(1, 2).reshape(batch, time, c.width)), (k, v)

    def feed(self, x: Tensor) -> Tensor:
        """``x`` (…, width), each position for itself."""
        h = F.rms_norm(x, (self.config.width,), self.ffn_norm, self.config.norm_eps)
        return x + cast(Tensor, self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h)))


class Transformer(nn.Module):
    """Tokens to hidden states; the embedding matrix is also the output matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embd = nn.Parameter(torch.randn(config.vocab, config.width) * 0.05)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.output_norm = nn.Parameter(torch.ones(config.width))
        for name, p in self.named_parameters():
            if p.ndim == 2 and name != "token_embd":
                last = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(p, std=(0.05 if last else 0.5) / math.sqrt(p.shape[1]))
        rates = config.rope_base ** (-torch.arange(0, config.head_dim, 2) / config.head_dim)
        angles = torch.outer(torch.arange(config.context), rates)
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles), persistent=False)

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        mask: Tensor,
        cache: Cache | None = None,
        at: Tensor | None = None,
        wanted: Tensor | None = None,
    ) -> tuple[Tensor, Cache]:
        """Hidden states (batch, time, width) of ``tokens`` (batch, time), and each layer's keys and values.

        ``positions`` (batch, time); ``mask`` (batch, 1, time, keys), True where a key may be seen. With ``wanted``
        (batch, time), True at some positions, the hidden states are (count, width): of those positions alone.
        """
        turn = cast(Tensor, self.turns)[positions].unsqueeze(2)
        bias = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, float("-inf"))
        x = F.embedding(tokens, self.token_embd)
        states: Cache = []
        for i, module in enumerate(self.blk):
            block = cast(Block, module)
            x, state = block.attend(x, turn, bias, cache[i] if cache else None, at)
            if wanted is not None and i == self.config.layers - 1:
                x = x[wanted]  # nobody looks at the others any more
            x = block.feed(x)
            states.append(state)
        return F.rms_norm(x, (self.config.width,), self.output_norm, self.config.norm_eps), states

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores over the vocabulary for hidden states of any leading shape."""
        return F.linear(hidden, self.token_embd)
