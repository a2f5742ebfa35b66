"""Command line: ``python -m function COMMAND …``. Only the module of the requested command is imported."""

from __future__ import annotations  # an old Python must be able to read this file, to report that it is old

import argparse
import difflib
import importlib.metadata
import json
import platform
import shutil
import signal
import sys
import textwrap
from importlib import import_module
from pathlib import Path

from function import __version__

COMMANDS = {
    "plan": "show what a model is, the memory it needs, where it fits and what that costs, before it is fetched",
    "inspect": "show the header of a GGUF file: metadata, tensors, chat template",
    "fetch": "download a model: in parallel, resumable, verified",
    "push": "upload a model to a bucket, with a checksum that a fetch can verify",
    "snapshot": "prefill the system prompt once, and store the result beside the model for every instance",
    "run": "serve a model over HTTP, as the container does",
    "chat": "chat in the terminal, with a running function or with a model in this process",
    "bench": "measure the speed of a model on this machine, with standard questions",
    "capacity": "simulate traffic: how long requests wait, what a month costs, which settings would be cheaper",
    "doctor": "check this machine and the model for problems, each with its remedy",
}

INTRODUCTION = """\
usage: {program} COMMAND …

Plan a model, upload it to a bucket, try it, serve it:

{commands}

`{program} COMMAND --help` explains a command, with examples.
Every command has --json for scripts; --version shows the versions.
Settings are environment variables (docs/settings.md). Without a model argument,
commands use MODEL_URI.
"""
MODULE = "python -m function"
SCRIPT = "chat-function"
OLDEST_PYTHON = (3, 11)
MAX_HELP_COLUMNS = 80


def main(arguments: list[str]) -> int:
    """Run one command. Returns the exit status: 0, 1 after an error, 2 for wrong usage, 130 after Ctrl-C."""
    if sys.version_info < OLDEST_PYTHON:
        return _reject_python()
    if arguments and arguments[0] in ("-V", "--version"):
        print(_versions())
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        return _introduce(arguments)
    name, *rest = arguments
    try:
        command = import_module(f"function.command.{name}")
    except ModuleNotFoundError as e:
        return _reject_environment(e)
    parser = _parser(name, command.__doc__ or "", getattr(command, "EXAMPLES", ""))
    command.configure(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(rest)
    from function.errors import FunctionError

    try:
        return int(command.run(args))
    except FunctionError as e:
        if args.json:
            print(json.dumps(e.body()))
        else:
            print(e, file=sys.stderr)
        return 1
    except ModuleNotFoundError as e:
        return _reject_environment(e)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not turn the end into a traceback
        print(getattr(command, "STOPPED", "Stopped."), file=sys.stderr)
        return 130


def run() -> int:
    """Run the command that the process was started with: the entry point of ``chat-function``."""
    return main(sys.argv[1:])


def program() -> str:
    """Return the command that started this process, as a user types it."""
    return SCRIPT if Path(sys.argv[0]).stem == SCRIPT else MODULE


def _introduce(arguments: list[str]) -> int:
    """Print all commands; for an unknown one, print the similar ones instead."""
    asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help", "help")
    if arguments and not asked_for_help:
        similar = difflib.get_close_matches(arguments[0], COMMANDS, n=2)
        hint = f"Did you mean {' or '.join(similar)}?" if similar else f"The commands are {', '.join(COMMANDS)}."
        print(f"There is no command {arguments[0]!r}. {hint}", file=sys.stderr)
        return 2
    indent = " " * 12
    rows = (
        textwrap.fill(text, MAX_HELP_COLUMNS, initial_indent=f"  {name:10}", subsequent_indent=indent)
        for name, text in COMMANDS.items()
    )
    text = INTRODUCTION.format(program=program(), commands="\n".join(rows))
    print(text, end="", file=sys.stdout if asked_for_help else sys.stderr)
    return 0 if asked_for_help else 2


def _parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """Return a parser whose help is at most as wide as the terminal. ``description``: docstring of the command."""
    width = min(MAX_HELP_COLUMNS, shutil.get_terminal_size().columns)

    class Formatter(argparse.RawDescriptionHelpFormatter):
        def __init__(self, prog: str) -> None:
            super().__init__(prog, width=width)

    text = description.partition(": ")[2]
    paragraphs = f"{text[:1].upper()}{text[1:]}".replace(MODULE, program()).split("\n\n")
    return argparse.ArgumentParser(
        prog=f"{program()} {name}",
        description="\n\n".join(textwrap.fill(each.strip(), width) for each in paragraphs),
        epilog=examples.replace(MODULE, program()),
        formatter_class=Formatter,
    )


def _versions() -> str:
    """Return the versions of this program, of llama.cpp's bindings and of Python."""
    try:
        bindings = f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')}"
    except importlib.metadata.PackageNotFoundError:
        bindings = "without llama-cpp-python"
    return f"{SCRIPT} {__version__} ({bindings}, Python {platform.python_version()})"


def _reject_python() -> int:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    print(
        f"Python {oldest} or newer is needed; this is {platform.python_version()} ({sys.executable}).\n"
        f"Install it (Debian: apt-get install python3; macOS: brew install python), then name it:\n"
        f"  make run PYTHON=python{oldest}",
        file=sys.stderr,
    )
    return 1


def _reject_environment(error: ModuleNotFoundError) -> int:
    """Report that a package is missing. Raises ``error`` if it is a module of this program."""
    if (error.name or "").partition(".")[0] == "function":
        raise error
    python = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "python"
    remedy = f"Use {python} -m function" if python.exists() else "`make install` creates .venv with all packages"
    print(
        f"The package {error.name} is not installed for {sys.executable}. {remedy}; "
        f"`{MODULE} doctor` checks this machine.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(run())
