"""Shapes of models: the dimensions in a GGUF's header. Pure."""

from dataclasses import dataclass
from typing import Literal

Architecture = Literal[
    "llama", "qwen2", "qwen3", "gemma3", "gemma4", "gpt-oss",
    "mamba", "qwen35", "lfm2", "granitehybrid", "falcon-h1", "nemotron_h",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of a network, in elements. ``n_kv`` heads of keys and values serve ``n_head`` heads of queries."""

    name: str
    n_layer: int
    n_embd: int
    n_head: int
    n_kv: int
    n_ff: int
    n_vocab: int
    n_ctx: int
    architecture: Architecture = "llama"
    head_size: int = 0  # 0: n_embd / n_head
    tokenizer: Literal["bpe", "spm"] = "bpe"
    pre: str = "gpt-2"  # llama.cpp's rule for splitting text before a byte-level BPE
    tied: bool = True  # the output matrix is the embedding
    rope_base: float = 10_000.0
    window: int = 0  # tokens a sliding-window layer sees; 0: no such layers
    template: bool = True
    layers: str = ""  # of a hybrid model, a letter each: r(ecurrent), a(ttention), b(oth), f(eed-forward)

    @property
    def head(self) -> int:
        """Return the elements of one head."""
        return self.head_size or self.n_embd // self.n_head


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("tiny", 2, 64, 2, 2, 160, 1024, 2048),
        Shape("tiny-gqa", 2, 128, 4, 1, 256, 1024, 2048),
        Shape("tiny-window", 6, 64, 2, 1, 160, 1024, 2048, "gemma3", head_size=32, window=64, tied=False),
        Shape("tiny-recurrent", 2, 64, 0, 0, 0, 1024, 2048, "mamba", tied=False),
        Shape("tiny-qwen3", 2, 64, 2, 1, 160, 1024, 2048, "qwen3", head_size=32),
        Shape("tiny-gemma4", 4, 64, 2, 1, 160, 1024, 2048, "gemma4", head_size=64, window=64),
        Shape("tiny-gpt-oss", 2, 64, 2, 1, 64, 1024, 2048, "gpt-oss", head_size=32, window=64, tied=False),
        Shape("tiny-qwen35", 4, 64, 2, 1, 160, 1024, 2048, "qwen35", head_size=32, layers="rrra"),
        Shape("tiny-lfm2", 4, 64, 2, 1, 160, 1024, 2048, "lfm2", layers="rrar"),
        Shape("tiny-lfm2-window", 4, 64, 2, 1, 160, 1024, 2048, "lfm2", window=64, layers="rrar"),
        Shape("tiny-granitehybrid", 4, 64, 2, 1, 160, 1024, 2048, "granitehybrid", layers="rrar"),
        Shape("tiny-falcon-h1", 2, 64, 2, 1, 160, 1024, 2048, "falcon-h1", layers="bb"),
        Shape("tiny-nemotron-h", 4, 64, 2, 1, 160, 1024, 2048, "nemotron_h", layers="rfar"),
        Shape("tiny-spm", 2, 64, 2, 2, 160, 1024, 2048, tokenizer="spm", tied=False, template=False),
        # The dimensions of SmolLM2-135M, Qwen2.5-0.5B, Qwen3.5-0.8B and Llama-2-7B.
        Shape("135M", 30, 576, 9, 3, 1536, 49_152, 8192, pre="smollm", rope_base=100_000.0),
        Shape("0.5B", 24, 896, 14, 2, 4864, 151_936, 32_768, "qwen2", pre="qwen2", rope_base=1e6),
        Shape(
            "qwen35-0.8B",
            24,
            1024,
            8,
            2,
            3584,
            151_936,
            262_144,
            "qwen35",
            256,
            pre="qwen2",
            rope_base=1e7,
            layers="rrra" * 6,
        ),
        Shape("7B", 32, 4096, 32, 32, 11_008, 32_000, 4096, tokenizer="spm", tied=False, template=False),
    )
}
