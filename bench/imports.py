"""Work of the interpreter at a start: CPU milliseconds, or instructions, of the imports of each stage.

    python -m bench.imports [--rounds 10] [--checkout FOLDER …] [--instructions]

Each stage is a process that imports all stages up to its own; the table has the differences. Instructions are counted
by valgrind, which takes a minute a checkout: unlike times, they do not depend on other work of the machine. With
several checkouts, of this version and of others, these take turns. Bytecode is compiled first, as in the image.
"""

import argparse
import compileall
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
STAGES = {
    "gunicorn, its settings": "gunicorn.app.wsgiapp, gunicorn.workers.gthread, function.server.gunicorn_conf",
    "service, fetch": "function.lifecycle.service",
    "engine": "function.engine.engine",
    "flask": "flask",
    "pydantic": "pydantic, pydantic.main, pydantic.json_schema",
    "request models": "function.web.request.schema",
    "application": "function.main",
}
PROGRAM = """
import os, sys, time
for names in sys.argv[1:]:
    exec(f"import {names}")
    settings = getattr(sys.modules["function.server.gunicorn_conf"], "raw_env", [])
    os.environ.update(pair.split("=", 1) for pair in settings)
sys.stdout.write(str(time.process_time() * 1000))
sys.stdout.flush()
os._exit(0)
"""


def run(checkout: Path, stages: list[str], *, instructions: bool) -> float:
    """Import ``stages`` in a process; return its CPU milliseconds or millions of instructions."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0", "MODEL_URI": "/nonexistent"}
    command = [sys.executable, "-c", PROGRAM, *stages]
    with tempfile.NamedTemporaryFile("r") as log:
        if instructions:
            valgrind = shutil.which("valgrind")
            assert valgrind, "apt-get install valgrind"
            tool = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={log.name}"]
            command = [valgrind, *tool, *command]
        done = subprocess.run(command, env=env, cwd=checkout, capture_output=True, text=True, check=True)
        if not instructions:
            return float(done.stdout)
        counted = re.search(r"I +refs: +([\d,]+)", log.read())
        assert counted
        return int(counted[1].replace(",", "")) / 1e6


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--checkout", type=Path, nargs="+", default=[ROOT])
    parser.add_argument("--instructions", action="store_true", help="count instructions, in a single round")
    args = parser.parse_args()
    for checkout in args.checkout:
        compileall.compile_dir(checkout / "function", quiet=1)
    names = list(STAGES)
    found: dict[tuple[Path, str], list[float]] = {}
    for _ in range(1 if args.instructions else args.rounds):
        for count, name in enumerate(names, 1):
            for checkout in args.checkout:
                stages = [STAGES[each] for each in names[:count]]
                value = run(checkout.resolve(), stages, instructions=args.instructions)
                found.setdefault((checkout, name), []).append(value)
    unit = "million instructions" if args.instructions else "CPU ms, median (lowest)"
    print(f"| {unit} | " + " | ".join(checkout.resolve().name for checkout in args.checkout) + " |")
    print("|---" + "|---:" * len(args.checkout) + "|")
    before = dict.fromkeys(args.checkout, (0.0, 0.0))
    for name in names:
        cells = []
        for checkout in args.checkout:
            values = found[checkout, name]
            total = statistics.median(values), min(values)
            middle, lowest = (now - then for now, then in zip(total, before[checkout], strict=True))
            cells.append(f"{middle:.0f}" + (f" ({lowest:.0f})" if len(values) > 1 else ""))
            before[checkout] = total
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(
        "| all | " + " | ".join(f"{before[checkout][0]:.0f} ({before[checkout][1]:.0f})" for checkout in before) + " |"
    )


if __name__ == "__main__":
    main()
