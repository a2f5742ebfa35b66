"""Muon for the matrices inside the layers, AdamW for the embedding and the norms."""

import numpy as np
import torch
from torch import Tensor, nn

from tools.train_demo_model.config import TrainConfig


def orthogonal(g: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices to ``g`` (count, rows, columns), by five Newton–Schulz steps.

    A step is x ← qx with q = a + bs + cs², s = xxᵀ. All q are polynomials of the first s and so commute: only the small
    square matrices are multiplied, s ← q²s, and x once, by the product of all q.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[1] > g.shape[2]
    x = g.mT if tall else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    s, one = x @ x.mT, torch.eye(x.shape[1], device=x.device)
    product = q = a * one + b * s + c * s @ s
    for _ in range(4):
        s = q @ (q @ s)
        q = a * one + b * s + c * s @ s
        product = q @ product
    x = product @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, then orthogonalized; matrices of one shape are done together."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95, decay: float = 0.01) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                for p in params:
                    state = self.state[p]
                    if not state:
                        state["momentum"] = torch.zeros_like(p)
                    state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                updates = torch.stack([p.grad.lerp(self.state[p]["momentum"], group["momentum"]) for p in params])
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for p, update in zip(params, orthogonal(updates), strict=True):
                    p.mul_(1 - group["lr"] * group["decay"]).add_(update, alpha=-group["lr"] * scale)


def optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """One optimizer for the layers' matrices, one for everything else."""
    named = dict(model.named_parameters())
    inner = [p for name, p in named.items() if p.ndim == 2 and name != "token_embd"]
    outer = [p for name, p in named.items() if p.ndim < 2 or name == "token_embd"]
    return [
        Muon(inner, lr=config.muon_lr),
        torch.optim.AdamW(outer, lr=config.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(step: int, config: TrainConfig) -> float:
    """The share of the full learning rate at ``step``."""
    at, shares = zip(*config.rates, strict=True)
    return float(np.interp(step * at[-1] / config.steps, at, shares))
