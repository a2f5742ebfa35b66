"""LoRA adapters: the gate, and the effect of an adapter on replies."""

import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from function.errors import ModelError, NotGGUF
from function.gguf import check_adapter
from tests.servers.doors import serving
from tools.shapes import SHAPES

SHAPE = SHAPES["tiny"]
ASKED = {"prompt": "hi", "seed": 7, "max_tokens": 24}
QUERY = "blk.0.attn_q.weight"


def write_adapter(
    path: Path,
    strength: float,
    *,
    architecture: str = "llama",
    kind: str = "adapter",
    alpha: float | None = 4.0,
    name: str = QUERY,
    rank_b: int = 4,
    parts: tuple[str, ...] = (".lora_a", ".lora_b"),
) -> Path:
    """Write an adapter of rank 4 for one matrix of the tiny model; with ``strength`` 0 it has no effect."""
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(kind)
    writer.add_string("adapter.type", "lora")
    if alpha is not None:
        writer.add_float32("adapter.lora.alpha", alpha)
    shapes = {".lora_a": (4, SHAPE.n_embd), ".lora_b": (SHAPE.n_embd, rank_b), ".lora_c": (4, 4)}
    for part in parts:
        writer.add_tensor(name + part, random.normal(0, strength, shapes[part]).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_valid_adapter_passes(tmp_path: Path) -> None:
    check_adapter(write_adapter(tmp_path / "a.gguf", 1), "llama")


@pytest.mark.parametrize(
    ("change", "kind", "word"),
    [
        ({"architecture": "qwen2"}, ModelError, "qwen2"),
        ({"kind": "model"}, ModelError, "no LoRA adapter"),
        ({"alpha": None}, NotGGUF, "alpha"),
        ({"rank_b": 5}, NotGGUF, "ranks 4 and 5"),
        ({"parts": (".lora_a",)}, NotGGUF, "only one"),
        ({"parts": (".lora_a", ".lora_b", ".lora_c")}, NotGGUF, "neither"),
    ],
)
def test_invalid_adapter_is_rejected(change: dict[str, Any], kind: type[ModelError], word: str, tmp_path: Path) -> None:
    with pytest.raises(kind, match=word):
        check_adapter(write_adapter(tmp_path / "a.gguf", 1, **change), "llama")


def test_model_is_rejected_as_adapter(tiny_model: Path) -> None:
    with pytest.raises(ModelError):
        check_adapter(tiny_model, "llama")


def test_adapter_changes_replies_unless_it_is_zero(tmp_path: Path, tiny_model: Path) -> None:
    replies = {}
    for strength in (math.nan, 0.0, 1.0):
        settings = {"MODEL_URI": str(tiny_model)}
        if not math.isnan(strength):
            settings["LORA_URI"] = str(write_adapter(tmp_path / "a.gguf", strength))
        with serving(tmp_path, **settings) as function:
            status, replies[strength] = function.ask("/chat", ASKED)
            assert status == 200
    plain, zeros, strong = replies.values()
    assert zeros == plain != strong


@pytest.mark.parametrize(
    ("change", "code"), [({"name": "blk.7.attn_q.weight"}, "model_unusable"), ({"rank_b": 5}, "not_gguf")]
)
def test_adapter_that_does_not_fit_the_model_is_reported(
    change: dict[str, Any], code: str, tmp_path: Path, tiny_model: Path
) -> None:
    adapter = write_adapter(tmp_path / "a.gguf", 1, **change)
    with serving(tmp_path, MODEL_URI=str(tiny_model), LORA_URI=str(adapter)) as function:
        status, told = function.ask("/chat", ASKED)
        assert (status, told["error"]["code"]) == (503, code)
