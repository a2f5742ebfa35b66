"""Scripted models write their text, whatever the sampling."""

from pathlib import Path

import pytest

from tests.scripted_model import split, write_scripted_model
from tests.servers.doors import serving

REPLY = "Row, row, row your boat – wörld 日本 🎉, row!"


@pytest.mark.parametrize("sampling", [{"temperature": 0}, {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0}])
def test_scripted_model_writes_its_text(sampling: dict[str, float], tmp_path: Path) -> None:
    model = write_scripted_model(tmp_path / "model.gguf", {"\n": REPLY})
    with serving(tmp_path, MODEL_URI=str(model)) as function:
        for prompt in ("Hello!", "Another question"):
            assert function.ask("/chat", {"prompt": prompt, **sampling}) == (200, REPLY)


def test_pieces_are_distinct() -> None:
    pieces = list(split(REPLY))
    assert "".join(pieces) == REPLY
    assert len(set(pieces)) == len(pieces)
