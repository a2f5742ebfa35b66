"""``python -m function doctor``: check this machine and the model for problems, each with its remedy."""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import asdict

from function.command.doctor_checks import Finding, Grade, examine
from function.command.output import print_result
from function.system.terminal import Colour, paint

MARKS: Mapping[Grade, tuple[str, Colour]] = {
    "good": ("ok  ", "green"),
    "fair": ("note", "yellow"),
    "bad": ("BAD ", "red"),
}

EXAMPLES = """\
examples:
  python -m function doctor
      this machine and the model that MODEL_URI names
  MODEL_URI=gs://bucket/model.gguf python -m function doctor
      credentials, bucket and header included
  python -m function doctor --json | jq '.findings[] | select(.grade == "bad")'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", nargs="?", help="the model to check; default: MODEL_URI")


def run(args: argparse.Namespace) -> int:
    findings = []
    for finding in examine(args.uri):
        findings.append(finding)
        if not args.json:
            sys.stdout.write(_format(finding))
            sys.stdout.flush()
    healthy = all(finding.grade != "bad" for finding in findings)
    print_result(args, {"healthy": healthy, "findings": list(map(asdict, findings))}, "")
    return 0 if healthy else 1


def _format(finding: Finding) -> str:
    """Return a finding on one line, and its remedy on the next."""
    mark = paint(*MARKS[finding.grade], sys.stdout)
    line = f"{mark}  {finding.about:12}{finding.found}\n"
    return line + (f"      {'':12}→ {finding.remedy}\n" if finding.remedy else "")
