"""Command line: ``python -m function COMMAND …``. Only the module of the requested command is imported."""

import argparse
import json
import sys
from importlib import import_module

from function.errors import FunctionError

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
usage: python -m function COMMAND …

Plan a model, upload it to a bucket, try it, serve it:

{commands}

`python -m function COMMAND --help` explains a command, with examples. Every command has --json for scripts. Settings
are environment variables (README.md); the default model is MODEL_URI.
"""


def main(arguments: list[str]) -> int:
    """Run one command. Returns the exit status: 0, 1 after an error, 2 for wrong usage, 130 after Ctrl-C."""
    if not arguments or arguments[0] not in COMMANDS:
        asked_for_help = bool(arguments) and arguments[0] in ("-h", "--help")
        commands = "\n".join(f"  {name:10}{text}" for name, text in COMMANDS.items())
        print(INTRODUCTION.format(commands=commands), end="", file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    name, *rest = arguments
    command = import_module(f"function.command.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m function {name}",
        description=(command.__doc__ or "").partition(": ")[2],
        epilog=getattr(command, "EXAMPLES", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.configure(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(rest)
    try:
        return int(command.run(args))
    except FunctionError as e:
        if args.json:
            print(json.dumps(e.body()))
        else:
            print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Run the same command again to continue.", file=sys.stderr)
        return 130


def run() -> int:
    """Run the command that the process was started with: the entry point of ``chat-function``."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
