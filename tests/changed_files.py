"""Randomly changed model files: those that pass the gate, and their end in llama.cpp."""

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


def changed_files(healthy: Sequence[File], count: int, folder: Path) -> list[Path]:
    """Write those of ``count`` changed files that pass the gate into ``folder``. The same for each call."""
    pristine = [pickle.dumps(file) for file in healthy]

    passed = []
    for seed in range(count):
        chance = random.Random(seed)
        raw = mutate(pickle.loads(chance.choice(pristine)), chance)
        if passes(raw):
            passed.append(folder / f"changed-{seed}.gguf")
            passed[-1].write_bytes(raw)
    return passed


def passes(raw: bytes) -> bool:
    """Return true if the file passes the gate."""
    try:
        parse_header(raw, file_size=len(raw))
    except ModelError:
        return False
    return True


def ends_of(files: Iterable[Path]) -> list[str]:
    """Load each file with llama.cpp in a process of its own; return the ends (see tests.llama_loader)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.llama_loader"],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    return done.stdout.splitlines()
