"""Run every client against a server that is still loading its model: ``python -m tests.clients [SCRIPT …]``.

Environments are kept in CLIENTS_CACHE, by default ``~/.cache/chat-clients``. Prints a table; the exit status is 1 if
any check failed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from pathlib import Path

from tests.clients import model
from tests.servers.doors import ROOT, serving
from tests.servers.gated import gated_store

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("CLIENTS_CACHE", Path.home() / ".cache" / "chat-clients"))
UV = ROOT / ".venv" / "bin" / "uv"
CHECKS = ("cold_start", "chat", "stream", "tools", "structured", "errors", "responses", "embeddings", "rerank")
LOAD_SECONDS = 2.0
"""Time until the server gets the rest of the model."""
TIMEOUT_SECONDS = 600


def command(kind: str, packages: list[str]) -> list[str]:
    """Return the interpreter of an environment with ``packages``, which is made if it is missing."""
    folder = CACHE / f"{kind}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if kind == "python":
            subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
            python = folder / "venv" / "bin" / "python"
            subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *packages], check=True)
        else:
            quiet = ["--silent", "--no-fund", "--no-audit", "--no-save"]
            subprocess.run(["npm", "install", *quiet, "--prefix", folder, *packages], check=True)
        (folder / "ready").touch()
    if kind == "python":
        return [str(folder / "venv" / "bin" / "python")]
    for script in HERE.glob("*.mjs"):  # modules are looked for beside the script
        shutil.copy(script, folder)
    return ["node"]


def run(script: str, kind: str, packages: list[str]) -> dict[str, str]:
    """Return the results of one client's checks; ``all`` for a script that prints none, in brackets in the table."""
    interpreter = command(kind, packages)
    folder = (
        HERE if kind == "python" else CACHE / f"node-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    )
    with tempfile.TemporaryDirectory() as name:
        tmp = Path(name)
        write = model.OTHER_MODELS.get(script, model.write)
        with gated_store(write(tmp / "clients.gguf")) as (uri, gate), serving(tmp, MODEL_URI=uri) as function:
            threading.Timer(LOAD_SECONDS, gate.set).start()
            try:
                done = subprocess.run(
                    [*interpreter, folder / script, function.url],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=TIMEOUT_SECONDS,
                    cwd=tmp,
                )
            except subprocess.TimeoutExpired:
                return {"all": "FAIL it did not end"}
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines() if line.partition(": ")[0] in CHECKS)
    if done.returncode and not any(result != "ok" for result in lines.values()):
        lines["all"] = "FAIL " + " ".join(done.stderr.split())[-400:]
    return lines or {"all": "ok"}


def main(wanted: list[str]) -> int:
    """Run the scripts named, or all; return the exit status."""
    table = tomllib.loads((HERE / "versions.toml").read_text())
    failed = False
    sys.stdout.write(f"| client | {' | '.join(CHECKS)} |\n|---|{'---|' * len(CHECKS)}\n")
    for kind, scripts in table.items():
        for script, packages in scripts.items():
            if wanted and script not in wanted:
                continue
            results = run(script, kind, packages)
            missing = f"({results['all'].split(' ')[0]})" if "all" in results else "–"
            cells = [results[check].split(" ")[0] if check in results else missing for check in CHECKS]
            sys.stdout.write(f"| {script}: {', '.join(packages)} | {' | '.join(cells)} |\n")
            for check, result in results.items():
                if result != "ok":
                    failed = True
                    sys.stdout.write(f"<!-- {check}: {result} -->\n")
            sys.stdout.flush()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
