"""``python -m function snapshot``: prefill the system prompt once, and store the result beside the model."""

import argparse
import time
from dataclasses import replace

from function.command.output import format_bytes, print_result
from function.engine import Finished, Job, Sampling
from function.errors import EngineError, ModelError, SettingsError
from function.lifecycle.service import Service
from function.settings import Settings

EXAMPLES = """\
examples:
  SYSTEM_PROMPT='Be brief.' python -m function snapshot
      the model that MODEL_URI names; the snapshot is stored next to it
  python -m function snapshot --dry-run
      its tokens and bytes; nothing is stored
  python -m function snapshot --again
      replace a valid snapshot
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show what would be stored, without storing it")
    parser.add_argument("--again", action="store_true", help="store it even if there is a valid one")


def run(args: argparse.Namespace) -> int:
    settings = replace(Settings.from_env(), snapshot="off")
    if settings.system_prompt is None:
        raise SettingsError("SYSTEM_PROMPT is not set: there is nothing to store.", param="SYSTEM_PROMPT")
    began = time.monotonic()
    service = Service(settings)
    try:
        service.start()
        while (status := service.await_ready(1.0)).state != "ready":
            if status.error is not None:
                raise status.error
        report, size = _make(service, store=not args.dry_run, again=args.again)
    finally:
        service.close()
    how = "is at" if report["skipped"] else "stored at" if report["stored"] else "would be stored at"
    text = f"{report['tokens']} tokens, {format_bytes(size)}: {how} {report['uri']}\n"
    return print_result(args, {**report, "seconds": round(time.monotonic() - began, 3)}, text)


def _make(service: Service, *, store: bool, again: bool) -> tuple[dict[str, object], int]:
    """Prefill the prompt and store the state after it. Returns the report, and the bytes of the state."""
    snapshot, engine = service.snapshot, service.engine
    layout = engine.run_task(lambda memory: memory.layout)
    if layout is None:
        raise ModelError("The state of this model cannot be verified: the model has a KV cache of a special form.")
    if not snapshot.tokens:
        raise SettingsError(
            f"SYSTEM_PROMPT is too short: a snapshot holds whole chunks of {engine.chunk} tokens, and the prompt has "
            "fewer. There is nothing to save: such a prompt is prefilled at once.",
            param="SYSTEM_PROMPT",
        )
    size, skipped = layout.size(len(snapshot.tokens)), snapshot.restored and not again
    stored = store and not skipped
    if stored:
        # With a seed the prompt is prefilled in whole chunks. The reply's only token is not computed.
        job = Job(prompt=snapshot.tokens, max_tokens=1, sampling=Sampling(seed=0))
        *_, end = engine.submit(job)
        state = snapshot.capture(engine)
        if not isinstance(end, Finished) or end.error or state is None:
            raise EngineError(f"llama.cpp did not return the state of {len(snapshot.tokens)} tokens.")
        snapshot.store(state)
    report = {"uri": snapshot.uri, "tokens": len(snapshot.tokens), "size": size, "skipped": skipped, "stored": stored}
    return report, size
