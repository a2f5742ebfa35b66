"""The models that the code writes load in llama.cpp and answer with varied text."""

import subprocess
import sys
from pathlib import Path

import pytest
from llama_cpp import Llama

from tools.models import Quant, write_model
from tools.shapes import SHAPES
from tools.vocabulary import byte_letters

TEXT = "Hello wörld, 日本 🎉!"


def load(path: Path) -> Llama:
    return Llama(str(path), n_ctx=128, n_threads=1, swa_full=False, verbose=False)


def sample(model: Llama, seed: int) -> str:
    reply = model.create_completion("abc", max_tokens=16, temperature=1.0, seed=seed)
    assert isinstance(reply, dict)
    return reply["choices"][0]["text"]


@pytest.mark.parametrize("shape", [name for name in SHAPES if name.startswith("tiny")])
def test_every_small_shape_loads_keeps_text_whole_and_varies_with_the_seed(tmp_path: Path, shape: str) -> None:
    model = load(write_model(tmp_path / "model.gguf", SHAPES[shape]))
    tokens = model.tokenize(TEXT.encode(), add_bos=False)
    assert model.detokenize(tokens).decode().strip() == TEXT
    assert model.n_vocab() == SHAPES[shape].n_vocab
    assert len({sample(model, seed) for seed in range(4)}) == 4
    assert ("tokenizer.chat_template" in model.metadata) == SHAPES[shape].template
    model.close()


@pytest.mark.parametrize("quant", ["Q8_0", "Q4_0", "F16", "F32"])
def test_every_quantisation_loads(tmp_path: Path, quant: Quant) -> None:
    model = load(write_model(tmp_path / "model.gguf", SHAPES["tiny"], quant=quant))
    assert sample(model, 1)
    model.close()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (
        write_model(tmp_path / name, SHAPES["tiny"], seed=seed).read_bytes()
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first == again
    assert first != other


def test_a_wide_character_can_be_split_across_tokens(tmp_path: Path) -> None:
    model = load(write_model(tmp_path / "model.gguf", SHAPES["tiny"]))
    pieces = [model.detokenize([token]) for token in model.tokenize("🎉日".encode(), add_bos=False)]
    assert len(pieces) > 2
    assert b"".join(pieces) == "🎉日".encode()
    model.close()


def test_the_table_of_byte_letters_is_one_to_one() -> None:
    assert len(set(byte_letters())) == 256


def test_the_command_line_writes_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    done = subprocess.run(
        [sys.executable, "-m", "tools.models", "tiny", "--quant", "Q4_0", path],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert path.read_bytes()[:4] == b"GGUF"
    assert f"{path.stat().st_size:,} bytes" in done.stdout
