"""Fault injection: kills, stops, malformed requests, files and URIs, hostile templates.

    python -m bench.faults [--write docs/reliability.md] [--quick]

The bench kills the worker at random moments of load and reply. It stops the function in every state, under both
servers, and measures the time until no process is left. It sends malformed requests, mutates model files and URIs,
and renders hostile chat templates. The command fails if a request gets a wrong reply or a 500, if a process is left
eight seconds after a stop, if a file that passes the header check crashes llama.cpp, or if a template fills the
memory or does not end.
"""

import argparse
import collections
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
import urllib.error
from collections.abc import Iterator
from pathlib import Path

from bench.record import write
from function.errors import FunctionError
from function.source import list_parts, open_source
from tests import template_attacks
from tests.busy_streams import STATES, fetching, loading
from tests.changed_files import changed_files, ends_of
from tests.crashes import CONNECTION_ERRORS, ENDLESS, SEEDED, kill_worker
from tests.gguf_files import File
from tests.models import SLOW
from tests.servers.descendants import alive, descendants
from tests.servers.doors import Stream, serving
from tests.servers.gated import gated_store
from tests.test_raw_http import mutate
from tools.models import write_model
from tools.shapes import SHAPES

MAX_STOP_SECONDS = 8.0
ROOT = Path(__file__).parent.parent


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run a quarter of every part")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="record the result in this page")
    arguments = parser.parse_args()
    divisor = 4 if arguments.quick else 1
    lines = [f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores.", ""]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slow = write_model(folder / "slow.gguf", SLOW)
        tiny = write_model(folder / "tiny.gguf", SHAPES["tiny"], name="tiny random")
        for finding in _all(folder, tiny, slow, divisor):
            print(finding, flush=True)
            lines.append(f"- {finding}")
    if arguments.write:
        command = "python -m bench.faults" + " --quick" * arguments.quick
        write(arguments.write, "faults", f"`{command}`\n\n" + "\n".join(lines))


def _all(folder: Path, tiny: Path, slow: Path, divisor: int) -> Iterator[str]:
    """Run each part; yield its findings."""
    yield _kills(folder, slow, 40 // divisor)
    yield from _stops(folder, tiny, slow)
    yield _requests(folder, tiny, 4000 // divisor)
    yield _uris(20_000 // divisor)
    yield _files(folder, 400 // divisor)
    yield _templates(2000 // divisor)


def _kills(folder: Path, model: Path, times: int) -> str:
    chance = random.Random(4)
    (folder / "kills").mkdir()
    with serving(folder / "kills", MODEL_URI=str(model), N_CTX="8192") as function:
        expected = function.ask("/chat", SEEDED)
        for _ in range(times):
            with contextlib.suppress(*CONNECTION_ERRORS, urllib.error.URLError), Stream(function, ENDLESS):
                time.sleep(chance.uniform(0, 2.5))
                kill_worker(function)
            if function.ask("/chat", SEEDED) != expected:
                sys.exit("after a kill, the same request got a different reply")
        died = function.log.read_text().count('"event": "crash"')
    return (
        f"The worker was killed {times} times (SIGKILL), at a random moment of load or reply: {times} times the next "
        f"request got the same reply as before. The next worker logged {died} of these deaths."
    )


def _stops(folder: Path, tiny: Path, slow: Path) -> Iterator[str]:
    template = folder / "template.jinja"
    template.write_text("{{ messages[0].content }}" + " " * 5000)
    for door in ("gunicorn", "functions-framework"):
        took = {}
        for state in STATES:
            settings = {"MODEL_URI": str(slow), "N_CTX": "8192"}
            place = folder / f"{door} {state.__name__}"
            place.mkdir()
            with contextlib.ExitStack() as stack:
                if state is fetching:
                    settings["MODEL_URI"], _ = stack.enter_context(gated_store(tiny))
                elif state is loading:
                    settings["CHAT_TEMPLATE"], _ = stack.enter_context(gated_store(template))
                function = stack.enter_context(serving(place, door, **settings))
                with state(function) as streams:
                    processes = descendants(function.process.pid)
                    function.process.send_signal(signal.SIGTERM)
                    began = time.monotonic()
                    ends = [stream.rest()[-1] for stream in streams]
                    function.process.wait(60)
                    while any(map(alive, processes)):
                        time.sleep(0.01)
                    took[state.__name__] = time.monotonic() - began
            if not all("stopping" in line for line in ends) or took[state.__name__] > MAX_STOP_SECONDS:
                sys.exit(f"{door}, {state.__name__}: {ends}, gone after {took[state.__name__]:.1f} s")
        listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in took.items())
        yield f"SIGTERM under {door}: every stream got an error event. Seconds until no process was left: {listed}."


def _requests(folder: Path, model: Path, count: int) -> str:
    (folder / "requests").mkdir()
    with serving(folder / "requests", MODEL_URI=str(model), CLIENT_TIMEOUT="2") as function:
        function.wait("ready")
        counts = mutate(function, count)
        if counts["5xx"] or "Traceback" in function.log.read_text():
            sys.exit(f"a malformed request caused a server error: {counts}")
    listed = ", ".join(f"{number} × {name}" for name, number in counts.items())
    return f"{count} malformed requests, as bytes: {listed}; the server kept answering."


def _files(folder: Path, count: int) -> str:
    names = ("tiny", "tiny-gqa", "tiny-window", "tiny-recurrent")
    healthy = [File.load(write_model(folder / f"{name}.gguf", SHAPES[name])) for name in names]
    passed = changed_files(healthy, count, folder)
    ends = collections.Counter(ends_of(passed))
    if any(end.startswith("signal") for end in ends):
        sys.exit(f"a file that passed the header check crashed llama.cpp: {ends}")
    return (
        f"{count} mutated model files: {count - len(passed)} rejected with an error; of the {len(passed)} that passed, "
        f"llama.cpp loaded and ran {ends['ok']} and rejected {ends['refused']}; none crashed the process or hung."
    )


def _templates(count: int) -> str:
    sources = template_attacks.attacks(seed=0, count=count)
    ended, message = template_attacks.ends_of(sources)
    if len(ended) < count:
        sys.exit(f"a template did not end ({message}): {sources[len(ended)]}")
    ends = collections.Counter(ended)
    return (
        f"{count} hostile chat templates: {ends['refused']} rejected with an error, "
        f"{ends['ok']} rendered within bounds."
    )


def _uris(count: int) -> str:
    pieces = [
        *("s3://", "gs://", "hf://", "https://", "file://", "ftp://", "bucket", "/", "//", "..", "%2e", "%", "?", "#"),
        *("@", ":", "name.gguf", "-00001-of-00003.gguf", "-99999-of-99999.gguf", "\0", "\n", " ", "ñ", "\udc80"),
        *("[::1]", "[", "user:secret@", "?sig=secret&x", "a" * 300),
    ]
    ends: collections.Counter[str] = collections.Counter()
    for seed in range(count):
        chance = random.Random(seed)
        uri = "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 6)))
        try:
            for part in list_parts(uri)[:3]:
                open_source(part)
            ends["valid"] += 1
        except FunctionError as e:
            if "secret" in str(e) and "secret" not in uri.replace("://user:secret@", ""):
                sys.exit(f"an error contained a secret of {uri!r}: {e}")
            ends["rejected"] += 1
    return f"{count} random URIs: {ends['valid']} were valid, {ends['rejected']} were rejected with an error."


if __name__ == "__main__":
    main()
