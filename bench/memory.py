"""Planned memory of a model, compared with the memory of the serving processes.

    python -m bench.memory [--full]

gunicorn serves the function, it answers one long prompt, and the memory of its processes is read: the worker's resident
memory (a mapped file counts, as it does in a container) and the master's private memory. ``--full`` adds Llama-2-7B's
shape: 7.16 GB.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.shapes import model, prompt_text
from function.gguf import fit, read_header
from tests.servers.doors import ServedFunction, serving
from tools.models import Quant

CASES: list[tuple[str, Quant, tuple[int, int]]] = [
    ("tiny", "Q8_0", (512, 2048)),
    ("135M", "Q8_0", (2048, 8192)),
    ("0.5B", "Q4_0", (2048, 16_384)),
]
FULL: list[tuple[str, Quant, tuple[int, int]]] = [("7B", "Q8_0", (1024, 4096))]
PROMPT_WORDS = 200  # enough to use every buffer
MIB = 1 << 20


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    print("| model | context | planned MiB | used MiB | planned / used |\n|---|---:|---:|---:|---:|")
    for shape, quant, contexts in CASES + (FULL if arguments.full else []):
        path = model(shape, quant)
        for n_ctx in contexts:
            planned = fit(read_header(path), n_ctx, prefixes=0).total / MIB
            held = used(path, n_ctx) / MIB
            name = f"{shape} {quant}"
            print(f"| {name} | {n_ctx:,} | {planned:,.0f} | {held:,.0f} | {planned / held:.3f} |", flush=True)


def used(path: Path, n_ctx: int) -> int:
    """Return the function's memory in bytes after a reply with ``path`` and a context of ``n_ctx`` tokens."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"MODEL_URI": str(path), "N_CTX": str(n_ctx), "LOAD_MODE": "mapped"}
        with serving(Path(folder), **settings) as function:
            function.wait("ready")
            _answer(function)
            worker, *others = sorted(_family(function.process.pid), key=lambda pid: -_memory(pid, "Rss"))
            own = sum(_memory(pid, "Private_Clean") + _memory(pid, "Private_Dirty") for pid in others)
            return _memory(worker, "Rss") + own


def _answer(function: ServedFunction) -> None:
    card = function.get("/v1/models")[1]["data"][0]
    if card["kind"] != "chat":  # a text as long as the context
        status, text = function.ask("/v1/embeddings", {"input": "a " * (card["max_model_len"] - 2)})
        assert status == 200, text
        return
    prompt = prompt_text(PROMPT_WORDS)[:400]
    status, text = function.ask("/chat", {"prompt": prompt, "max_tokens": 8})
    assert status == 200, text


def _family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _memory(pid: int, name: str) -> int:
    """Return one figure of a process's memory in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no {name} in smaps_rollup")


if __name__ == "__main__":
    main()
