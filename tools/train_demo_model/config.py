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
class TrainConfig:
    """Training on packed rows; every ``long_every``-th step has rows as long as the context.

    The learning rates rise over ``warmup`` steps, stay, and fall linearly to zero over the last ``decay`` steps.
    """

    seed: int = 20
    steps: int = 1600
    tokens_per_step: int = 2048
    row: int = 128
    long_every: int = 20
    muon_lr: float = 0.008
    adam_lr: float = 0.002
    warmup: int = 30
    decay: int = 800
    checkpoint_every: int = 50
