"""Model files that are not as they should be: which pass the gate, and what llama.cpp makes of those."""

import pickle
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from function.errors import ModelError
from function.gguf import parse_header
from tests.gguf_files import File
from tests.gguf_mutations import mutate


def bent(healthy: Sequence[File], count: int, folder: Path) -> list[Path]:
    """Of ``count`` bent ones those that pass, in ``folder``. The same each time."""
    pristine = [pickle.dumps(file) for file in healthy]

    passed = []
    for seed in range(count):
        chance = random.Random(seed)
        raw = mutate(pickle.loads(chance.choice(pristine)), chance)
        if passes(raw):
            passed.append(folder / f"bent-{seed}.gguf")
            passed[-1].write_bytes(raw)
    return passed


def passes(raw: bytes) -> bool:
    """Whether the gate lets the file through."""
    try:
        parse_header(raw, file_size=len(raw))
    except ModelError:
        return False
    return True


def ends_of(files: Iterable[Path]) -> list[str]:
    """How loading each with llama.cpp, in a process of its own, ended: see tests.llama_loader."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.llama_loader"],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return done.stdout.splitlines()
