"""A web server that holds back whatever lies behind the first bytes of a model, and can exchange it meanwhile."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATIENCE = 120.0


class FillingStore:
    """One object. ``gate`` lets go of what lies behind ``held_from``."""

    def __init__(self, model: Path, held_from: int) -> None:
        self.data, self.version, self.held_from = model.read_bytes(), 1, held_from
        self.gate = threading.Event()
        self.url = ""

    def exchange(self, model: Path) -> None:
        """Put another object under the same name, and let go."""
        self.data, self.version = model.read_bytes(), self.version + 1
        self.gate.set()


@contextmanager
def filling_store(model: Path, held_from: int) -> Iterator[FillingStore]:
    """Serves ``model`` by ranges over HTTP; a range that goes beyond ``held_from`` waits there for the gate."""
    store = FillingStore(model, held_from)

    class Handler(BaseHTTPRequestHandler):
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
            self.wfile.write(data[start:held])
            self.wfile.flush()
            if held < end:
                store.gate.wait(PATIENCE)
                if store.version == version:
                    with suppress(ConnectionError):  # whoever asked may have died meanwhile
                        self.wfile.write(data[held:end])
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Tests speak for themselves."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
