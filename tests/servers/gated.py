"""Web server that withholds a model's last bytes until a test releases them."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

GATE_TIMEOUT_SECONDS = 120.0


@contextmanager
def gated_store(model: Path) -> Iterator[tuple[str, threading.Event]]:
    """Serve ``model`` by range over HTTP; the second half of every large response waits for the event."""
    data = model.read_bytes()
    gate = threading.Event()

    class GatedHandler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._headers(200, len(data))

        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            start, end = (int(asked[1]), min(int(asked[2] or len(data)) + 1, len(data))) if asked else (0, len(data))
            self._headers(206 if asked else 200, end - start, f"bytes {start}-{end - 1}/{len(data)}")
            half = start + (end - start) // 2
            self.wfile.write(data[start:half])
            self.wfile.flush()
            if end - start > len(data) // 2:
                gate.wait(GATE_TIMEOUT_SECONDS)
            self.wfile.write(data[half:end])

        def _headers(self, status: int, length: int, content_range: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"boat"')
            if content_range and status == 206:
                self.send_header("Content-Range", content_range)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), GatedHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{model.name}", gate
    finally:
        gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
