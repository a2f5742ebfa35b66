"""``python -m function doctor``: what stands between this machine and a good reply, each finding with its remedy."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from function.command.doctor_checks import Finding, examine
from function.errors import SettingsError
from function.settings import Settings

MARKS = {"good": "ok  ", "fair": "note", "bad": "BAD "}

EXAMPLES = """\
examples:
  python -m function doctor                                     this machine and the model that MODEL_URI names
  MODEL_URI=gs://bucket/model.gguf python -m function doctor    credentials, bucket and header included
  python -m function doctor --json | jq '.findings[] | select(.grade == "bad")'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", nargs="?", help="the model to ask about; default: MODEL_URI")
    parser.add_argument("--json", action="store_true", help="tell the findings as one JSON object")


def run(args: argparse.Namespace) -> int:
    findings = []
    for finding in _findings(args.uri):
        findings.append(finding)
        if not args.json:
            sys.stdout.write(as_text(finding))
            sys.stdout.flush()
    healthy = all(finding.grade != "bad" for finding in findings)
    if args.json:
        told = {"healthy": healthy, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(told) + "\n")
    return 0 if healthy else 1


def _findings(uri: str | None) -> Iterator[Finding]:
    try:
        settings = Settings.from_env()
    except SettingsError as e:
        yield Finding("settings", "bad", str(e), "Correct the variable, or unset it.")
        return
    yield from examine(settings, uri or settings.model_uri)


def as_text(finding: Finding) -> str:
    """A finding on a line, its remedy on the next."""
    line = f"{MARKS[finding.grade]}  {finding.about:12}{finding.found}\n"
    return line + (f"      {'':12}→ {finding.remedy}\n" if finding.remedy else "")
