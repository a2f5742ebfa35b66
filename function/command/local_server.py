"""A service on a free port of loopback, in this process: the command line talks to it like to any other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.serving import WSGIRequestHandler, make_server

from function.app import create_app
from function.lifecycle.service import Service


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the terminal belongs to the conversation."""


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """Serve while the block runs; the URL. The service is started, and closed at the end."""
    server = make_server("127.0.0.1", 0, create_app(service), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, name="local", daemon=True)
    thread.start()
    service.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        service.stop()
        server.shutdown()
        server.server_close()
        thread.join()
        service.close()
