"""``python -m function snapshot``: the system prompt, read once and kept beside the model for every instance."""

import argparse
import json
import sys
import time
from dataclasses import replace

from function.command.progress_bar import bytes_of
from function.engine import Finished, Job, Sampling
from function.errors import EngineError, ModelError, SettingsError
from function.lifecycle.service import Service
from function.settings import Settings

EXAMPLES = """\
examples:
  MODEL_URI=gs://bucket/model.gguf SYSTEM_PROMPT='Be brief.' python -m function snapshot
  python -m function snapshot --dry-run    what it would be: tokens and bytes; nothing is stored
  python -m function snapshot --again      in place of one that fits already
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be stored, and store nothing")
    parser.add_argument("--again", action="store_true", help="store it though one that fits is there")
    parser.add_argument("--json", action="store_true", help="tell the outcome as one JSON object")


def run(args: argparse.Namespace) -> int:
    settings = replace(Settings.from_env(), snapshot="off")
    if settings.system_prompt is None:
        raise SettingsError("SYSTEM_PROMPT is not set: there is nothing to read.", param="SYSTEM_PROMPT")
    began = time.monotonic()
    service = Service(settings)
    try:
        service.start()
        while (status := service.wait_for("ready", 1.0)).state != "ready":
            if status.error is not None:
                raise status.error
        told = _make(service, store=not args.dry_run, again=args.again)
    finally:
        service.close()
    told |= {"seconds": round(time.monotonic() - began, 3)}
    if args.json:
        sys.stdout.write(json.dumps(told) + "\n")
    else:
        size, how = bytes_of(int(str(told["size"]))), "stored at" if told["stored"] else "would go to"
        how = "is at" if told["skipped"] else how
        sys.stdout.write(f"{told['tokens']} tokens, {size}: {how} {told['uri']}\n")
    return 0


def _make(service: Service, *, store: bool, again: bool) -> dict[str, object]:
    """Read the prompt and store the state after it."""
    snapshot, engine = service.snapshot, service.engine
    layout = engine.run_task(lambda memory: memory.layout)
    if layout is None:
        raise ModelError(
            "The state of this model cannot be cut to a prefix: its memory is recurrent, or of its own kind."
        )
    if not snapshot.tokens:
        raise SettingsError(
            f"SYSTEM_PROMPT is too short: less than {engine.chunk} tokens, which are read at once, "
            "are the same in every conversation.",
            param="SYSTEM_PROMPT",
        )
    told: dict[str, object] = {
        "uri": snapshot.uri,
        "tokens": len(snapshot.tokens),
        "size": layout.size(len(snapshot.tokens)),
        "skipped": snapshot.restored and not again,
        "stored": False,
    }
    if told["skipped"] or not store:
        return told
    # With a seed it is prefilled in whole chunks; the question is any token.
    job = Job(prompt=(*snapshot.tokens, snapshot.tokens[-1]), max_tokens=1, sampling=Sampling(seed=0))
    *_, end = engine.submit(job)
    state = snapshot.capture(engine)
    if not isinstance(end, Finished) or end.error or state is None:
        raise EngineError(f"llama.cpp did not give the state of {len(snapshot.tokens)} tokens.")
    snapshot.store(state)
    return told | {"stored": True}
