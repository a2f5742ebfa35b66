#!/usr/bin/env python3
"""llama-server as llama.cpp's tests start it: its options become settings, or fields of every request."""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BIN = ROOT / ".venv" / "bin"
WITHOUT_VALUE = frozenset(
    (
        "--backend_sampling", "--cont-batching", "--context-shift", "--embedding", "--jinja", "--kv-unified",
        "--metrics", "--no-cache-idle-slots", "--no-jinja", "--no-mmproj", "--no-models-autoload", "--no-slots",
        "--no-ui", "--offline", "--reranking", "--slots", "--swa-full", "--ui-mcp-proxy", "--verbose",
    )
)  # fmt: skip


def parse(arguments: list[str]) -> dict[str, str]:
    """Return the options with their values; those without one have an empty text."""
    options: dict[str, str] = {}
    rest = iter(arguments)
    for option in rest:
        options[option] = "" if option in WITHOUT_VALUE else next(rest)
    return options


def settings(options: dict[str, str]) -> dict[str, str]:
    """Return the function's settings for ``options``."""
    slots = 1 if "--kv-unified" in options else int(options.get("--parallel", "1"))
    made = {
        "PORT": options["--port"],
        "MODEL_URI": options.get("--model", os.environ["TEST_MODEL"]),
        "N_CTX": str(int(options.get("--ctx-size", "4096")) // slots),
        "N_THREADS": "1",
        "QUEUE_SIZE": "16",
        "CORS_ORIGINS": options.get("--cors-origins", "localhost" if "--tools" in options else "*"),
    }
    if "--alias" in options:
        made["MODEL_NAME"] = options["--alias"]
    if "--api-key" in options:
        made["API_KEY"] = options["--api-key"]
    if "--chat-template" in options:
        made["CHAT_TEMPLATE"] = options["--chat-template"]
    if "--chat-template-file" in options:
        made["CHAT_TEMPLATE"] = f"file://{Path(options['--chat-template-file']).resolve()}"
    if options.get("--reasoning") == "off":
        made["THINKING_BUDGET"] = "0"
    return made


def request_defaults(options: dict[str, str]) -> dict[str, object]:
    """Return fields for every request that the options of llama-server stand for."""
    made: dict[str, object] = {"temperature": float(options["--temp"]), "seed": int(options["--seed"])}
    made["n_predict"] = int(options.get("--n-predict", "-1"))
    if "--verbose" in options:
        made["verbose"] = True
    return made


def main() -> None:
    """Become the function's server."""
    options = parse(sys.argv[1:])
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    env |= {"PYTHONPATH": str(ROOT), "REQUEST_DEFAULTS": json.dumps(request_defaults(options)), **settings(options)}
    command = [str(BIN / "gunicorn"), "-c", "python:function.server.gunicorn_conf", "tests.llama_server.app:app"]
    os.chdir(ROOT)
    os.execve(command[0], command, env)


if __name__ == "__main__":
    main()
