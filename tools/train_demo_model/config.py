"""The numbers that define the model and its training, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A Llama: RMS norms, rotary positions, grouped-query attention, SwiGLU, tied embeddings.

    Every row length is a multiple of 32, which is what a Q8_0 block holds.
    """

    vocab: int = 1024
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
class Stage:
    """How to train up to step ``until``.

    ``level`` is the share of the full learning rates, ``row`` the tokens of a row; every ``long_every``-th step has
    rows as long as the context. What only copies (sentences, names) comes ``copying`` times as often as it will later.
    """

    until: int
    level: float
    row: int
    long_every: int
    copying: float


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Training on packed rows. The learning rates rise over ``warmup`` steps, follow the stages, and fall linearly to
    zero over the last ``decay`` steps.
    """

    seed: int = 20
    steps: int = 4000
    tokens_per_step: int = 2048
    muon_lr: float = 0.02
    adam_lr: float = 0.003
    warmup: int = 100
    decay: int = 1500
    checkpoint_every: int = 100
    stages: tuple[Stage, ...] = (
        Stage(until=750, level=1.0, row=256, long_every=10, copying=1),
        Stage(until=900, level=0.3, row=256, long_every=10, copying=1),
        Stage(until=2000, level=0.3, row=128, long_every=20, copying=3),
        Stage(until=1 << 30, level=0.3, row=128, long_every=20, copying=1),
    )

    def stage(self, step: int) -> Stage:
        """The stage that ``step`` is in."""
        return next(stage for stage in self.stages if step < stage.until)
