"""One cold request, traced: where its time went, for docs/pictures/cold-start.svg.

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
from function.limits import cpus
from tests.servers.collector import collecting
from tests.servers.doors import Stream, serving
from tests.servers.nginx import nginx

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "pictures" / "cold-start.json"
BODY = {"messages": [{"role": "user", "content": "Tell me a story."}], "stream": True, "max_tokens": 16, "ignore_eos": True}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="0.5B")
    parser.add_argument("--quant", default="Q4_0")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    path = model(arguments.shape, arguments.quant)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, nginx(path, Path(folder)) as store, collecting() as traces:
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
        spans = sorted(_spans(traces.spans, began), key=lambda span: (span["depth"] > 0, span["start"], span["depth"]))
    size = path.stat().st_size / 1e6
    title = (
        f"A cold request: {arguments.shape} {arguments.quant}, {size:.0f} MB at 80 MB/s per connection, {cpus()} CPUs, "
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    )
    arguments.out.write_text(json.dumps({"title": title, "spans": spans}, indent=1) + "\n")


def _spans(spans: dict[str, Any], began: float) -> list[dict[str, Any]]:
    names = {span.span_id: span.parent_span_id for span in spans.values()}

    def depth(span_id: bytes) -> int:
        return 1 + depth(names[span_id]) if span_id in names else -1

    wait = spans["wait for the model"].span_id
    return [
        {
            "name": name,
            "start": round(max(span.start_time_unix_nano / 1e9 - began, 0), 3),
            "end": round(span.end_time_unix_nano / 1e9 - began, 3),
            "depth": depth(span.span_id),
            "cold": wait in (span.span_id, span.parent_span_id),
        }
        for name, span in spans.items()
    ]


if __name__ == "__main__":
    main()
