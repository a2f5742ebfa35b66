"""Trace of one cold request, for docs/pictures/cold-start.svg.

    python -m bench.trace [--shape 0.5B] [--quant Q4_0] [--out docs/pictures/cold-start.json]

The function starts under gunicorn and fetches the model from nginx on loopback, limited to 80 MB/s per connection; a
streamed request is sent as soon as the port is open, and its spans are collected over OTLP. Times count from exec.
``python -m tools.pictures`` draws the result.
"""

import argparse
import datetime
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.shapes import model
from function.system.limits import cpus
from tests.servers.collector import collecting
from tests.servers.doors import Stream, serving
from tests.servers.nginx import nginx

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "pictures" / "cold-start.json"
BODY = {
    "messages": [{"role": "user", "content": "Tell me a story."}],
    "stream": True,
    "max_tokens": 16,
    "ignore_eos": True,
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="0.5B")
    parser.add_argument("--quant", default="Q4_0")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    path = model(arguments.shape, arguments.quant)
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as folder,
        nginx(path, Path(folder)) as store,
        collecting() as traces,
    ):
        environment = {
            "MODEL_URI": f"s3://bucket/{path.name}", "AWS_ENDPOINT_URL": store.urls[False, True], "AWS_REGION": "x",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "N_THREADS": str(cpus()),
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "50",
        }  # fmt: skip
        began = time.time()
        with serving(Path(folder), **environment) as function:
            with Stream(function, BODY) as stream:
                stream.rest()
            traces.wait("POST /v1/chat/completions")
        spans = _spans(traces.spans, began)
    size = path.stat().st_size / 1e6
    title = (
        f"A cold request: {arguments.shape} {arguments.quant}, {size:.0f} MB at 80 MB/s per connection, {cpus()} CPUs, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    )
    arguments.out.write_text(json.dumps({"title": title, "spans": spans}, indent=1) + "\n")


def _spans(spans: dict[str, Any], began: float) -> list[dict[str, Any]]:
    """Return each span before its children, and children in the order of their starts."""
    listed: list[dict[str, Any]] = []

    def add(parent: bytes | None, depth: int, cold: bool) -> None:
        ids = {span.span_id for span in spans.values()}
        children = [
            (span.start_time_unix_nano, name, span)
            for name, span in spans.items()
            if span.parent_span_id == parent or (parent is None and span.parent_span_id not in ids)
        ]
        for _, name, span in sorted(children, key=lambda child: child[:2]):
            waits = cold or name == "wait for the model"
            start, end = (moment / 1e9 - began for moment in (span.start_time_unix_nano, span.end_time_unix_nano))
            listed.append(
                {"name": name, "start": round(max(start, 0), 3), "end": round(end, 3), "depth": depth, "cold": waits}
            )
            add(span.span_id, depth + 1, waits)

    add(None, 0, False)
    return listed


if __name__ == "__main__":
    main()
