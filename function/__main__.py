"""The command line: ``python -m function COMMAND …``. A command's module is imported only when it is the one to run."""

import argparse
import json
import sys
from importlib import import_module

from function.errors import FunctionError

COMMANDS = {
    "plan": "what a model is, the memory it needs, where it fits and what that costs, before a byte of it is fetched",
    "inspect": "what a GGUF's header holds: metadata, tensors, the chat template",
    "fetch": "bring a model here: in parallel, resumed, verified",
    "push": "store a model in a bucket, with a checksum that a fetch can verify",
    "snapshot": "read the system prompt once, and keep what was read beside the model for every instance",
    "chat": "a conversation in the terminal, with a running function or a model of one's own",
    "bench": "the standard questions, asked on this machine: how fast it reads and writes",
    "capacity": "how long people wait and what it costs, simulated from your traffic",
    "doctor": "what stands between this machine and a good reply, each finding with its remedy",
}

INTRODUCTION = """\
usage: python -m function COMMAND …

A model is planned, put into a bucket, tried, served:

{commands}

`python -m function COMMAND --help` explains one, with examples. --json makes any of them answer programs. Settings are
environment variables (README.md); MODEL_URI is the model where none is named.
"""


def main(arguments: list[str]) -> int:
    """Run one command. Returns the exit status: 0, 1 after an error told in a sentence, 130 after Ctrl-C."""
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
    args = parser.parse_args(rest)
    try:
        return int(command.run(args))
    except FunctionError as e:
        if getattr(args, "json", False):
            print(json.dumps(e.body()))
        else:
            print(e, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the same command takes up where this one was.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
