"""Store that withholds all but the first bytes of a model, and can replace the model meanwhile."""

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from function.source import ALGORITHMS

GATE_TIMEOUT_SECONDS = 120.0


class FillingStore:
    """One object over HTTP and S3. Setting ``gate`` releases the bytes from ``held_from`` on.

    S3 states a checksum. ``wrong`` are positions of bytes that are corrupted the next time they are sent.
    """

    def __init__(self, model: Path, held_from: int) -> None:
        self.data, self.version, self.held_from = model.read_bytes(), 1, held_from
        self.gate = threading.Event()
        self.wrong: list[int] = []
        self.url = ""

    @property
    def s3(self) -> dict[str, str]:
        """Settings for the object over S3, including MODEL_URI."""
        return {
            "MODEL_URI": f"s3://bucket/{self.url.rpartition('/')[2]}",
            "AWS_ENDPOINT_URL": self.url.rpartition("/")[0],
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/nonexistent",
        }

    def exchange(self, model: Path) -> None:
        """Put another object under the same name, and open the gate."""
        self.data, self.version = model.read_bytes(), self.version + 1
        self.gate.set()

    def taken(self, start: int, end: int) -> bytes:
        """Return bytes of the object as they are sent."""
        data = bytearray(self.data[start:end])
        for wrong in [at for at in self.wrong if start <= at < end]:
            data[wrong - start] ^= 0x3F
            self.wrong.remove(wrong)
        return bytes(data)


@contextmanager
def filling_store(model: Path, held_from: int) -> Iterator[FillingStore]:
    """Serve ``model`` by ranges; a range beyond ``held_from`` waits there for the gate."""
    store = FillingStore(model, held_from)

    class FillingHandler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            check = ALGORITHMS["crc64nvme"].load()(0, memoryview(store.data))
            self.send_response(200)
            self.send_header("Content-Length", str(len(store.data)))
            self.send_header("ETag", f'"{store.version}"')
            self.send_header("x-amz-checksum-crc64nvme", base64.b64encode(check.to_bytes(8, "big")).decode())
            self.send_header("x-amz-checksum-type", "FULL_OBJECT")
            self.end_headers()

        def do_GET(self) -> None:
            data, version = store.data, store.version
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start, end = (int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))) if asked else (0, len(data))
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(end - start))
            self.send_header("ETag", f'"{version}"')
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
            self.end_headers()
            held = min(max(start, store.held_from), end)
            self.wfile.write(store.taken(start, held))
            self.wfile.flush()
            if held < end:
                store.gate.wait(GATE_TIMEOUT_SECONDS)
                if store.version == version:
                    with suppress(ConnectionError):  # the client may have died meanwhile
                        self.wfile.write(data[held:end])
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), FillingHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    store.url = f"http://127.0.0.1:{server.server_port}/{model.name}"
    try:
        yield store
    finally:
        store.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
