"""The numbers that define the model and its training, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A Llama: RMS norms, rotary positions, grouped-query attention, SwiGLU, tied embeddings.

    Every row length is a multiple of 32, which is what a Q8_0 block holds.
    """

    vocab: int = 1536
    width: int = 192
    layers: int = 4
    heads: int = 6
    kv_heads: int = 3
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        return self.width // self.heads


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Training on packed rows; every ``long_every``-th step has rows as long as the context.

    From step ``later`` on there is more to learn by heart, and more is told of names.
    The learning rates follow ``rates``: steps and shares of the full rate, with straight lines between them. Other
    ``steps`` than the last of these squeeze or stretch that.
    """

    seed: int = 20
    steps: int = 4300
    tokens_per_step: int = 2048
    row: int = 192
    long_every: int = 20
    muon_lr: float = 0.008
    adam_lr: float = 0.002
    later: int = 1750
    rates: tuple[tuple[int, float], ...] = ((0, 0.033), (29, 1.0), (2700, 1.0), (3800, 0.577), (4300, 0.0))
    checkpoint_every: int = 50
