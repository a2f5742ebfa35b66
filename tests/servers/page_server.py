"""Server for tests of the chat page: serves the page, and the replies that a test gives it.

A reply is a list of steps. Where the order of events matters, a step waits at a gate that the test opens.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from function.web.page import render
from function.web.reply import sse

MODEL = "paper-boat-1b"
GATE_TIMEOUT_SECONDS = 60.0
"""Time after which a step no longer waits at a gate: far more than any test takes."""


class Gate:
    """A step that waits until the test opens it, or until the client has gone.

    With ``comments=True`` it sends a comment now and then, the only way to notice a client that has gone.
    """

    def __init__(self, *, comments: bool = True) -> None:
        self._comments = comments
        self._opened = threading.Event()
        self.reached = threading.Event()
        self.left = threading.Event()
        """Set once the client was seen to go while the reply waited here."""

    def open(self) -> None:
        """Let the reply continue."""
        self._opened.set()

    def wait(self, handler: BaseHTTPRequestHandler) -> None:
        """Wait; raises ConnectionError when the client goes first."""
        self.reached.set()
        for _ in range(int(GATE_TIMEOUT_SECONDS / 0.05)):
            if self._opened.wait(0.05):
                return
            if not self._comments:
                continue
            try:
                handler.wfile.write(_chunk(b": waiting\n\n"))
                handler.wfile.flush()
            except OSError:
                self.left.set()
                raise


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes, flushed on their own."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """End of the connection in the middle of the stream."""


@dataclass(frozen=True, slots=True)
class RejectedReply:
    """Status with an error object, or with ``body`` of another server, instead of a stream."""

    status: int
    message: str = ""
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    param: str | None = None
    body: str | None = None


Step = Raw | Cut | Gate
Reply = Sequence[Step] | RejectedReply


@dataclass(frozen=True, slots=True)
class Asked:
    """Request of the page."""

    path: str
    authorization: str | None
    body: dict[str, Any]

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Role and content of each message."""
        return [(message["role"], message["content"]) for message in self.body["messages"]]


def comment(text: str) -> Raw:
    """Return a progress comment."""
    return Raw(sse.comment(text))


def chunk(**fields: Any) -> Raw:
    """Return one object of a stream."""
    return Raw(sse.data({"object": "chat.completion.chunk", "model": MODEL, **fields}))


def text(content: str, size: int = 4) -> list[Step]:
    """Return ``content`` in pieces of ``size`` characters."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return [chunk(choices=[{"index": 0, "delta": {"content": piece}, "finish_reason": None}]) for piece in pieces]


def thoughts(content: str, size: int = 4) -> list[Step]:
    """Return ``content`` as reasoning, in pieces of ``size`` characters."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return [chunk(choices=[{"index": 0, "delta": {"reasoning_content": piece}}]) for piece in pieces]


def tool_call(name: str, arguments: str, index: int = 0, size: int = 5) -> list[Step]:
    """Return a tool call whose arguments arrive in pieces of ``size`` characters."""
    opening = {"index": index, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    calls = [opening, *({"index": index, "function": {"arguments": piece}} for piece in pieces)]
    return [chunk(choices=[{"index": 0, "delta": {"tool_calls": [call]}}]) for call in calls]


def first() -> Raw:
    """Return the first chunk of a reply."""
    return chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])


def ending(reason: str = "stop", tokens: int = 12, receipt: dict[str, Any] | None = None) -> list[Step]:
    """Return the last chunks of a reply."""
    usage = {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}
    last = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": reason}])
    account = {"receipt": receipt} if receipt else {}
    return [last, chunk(choices=[], usage=usage, **account), Raw(sse.DONE)]


def whole(content: str, reason: str = "stop") -> list[Step]:
    """Return a reply without incidents."""
    return [first(), *text(content), *ending(reason)]


def failure(message: str, code: str = "engine_error") -> Raw:
    """Return a failure after the first byte."""
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return Raw(sse.event("error", {"error": error}))


class PageServer:
    """Server on a free port of loopback. It sends ``replies`` in turn and records requests in ``asked``."""

    def __init__(self, key: str | None = None, prefix: str = "/") -> None:
        self.key = key
        self.prefix = prefix
        self.replies: list[Reply] = []
        self.asked: list[Asked] = []
        self.paths: list[str] = []
        """Of every request, in order."""
        self.states: list[dict[str, Any]] = []
        """Bodies of /health/ready, in turn; the last one stays. Without any, the model is ready."""
        self.model: dict[str, Any] = {"id": MODEL, "object": "model"}
        """The entry of /v1/models."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def origin(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """Address of the page."""
        return self.origin + self.prefix

    def state(self) -> dict[str, Any]:
        """Return the next body of /health/ready."""
        if not self.states:
            return {"state": "ready"}
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def will(self, *replies: Reply) -> None:
        """Send these replies to the next requests."""
        self.replies.extend(replies)

    def __enter__(self) -> "PageServer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _handler(server: PageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.paths.append(self.path)
            page = render()
            place = "/" + self.path.removeprefix(server.prefix).strip("/")
            if place == "/health/ready":
                self._json(server.state())
                return
            if place == "/v1/models":
                self._json({"object": "list", "data": [server.model]})
                return
            if self.path.rstrip("/") != server.prefix.rstrip("/"):
                self._whole(404, "text/plain", b"no such path", {})
                return
            headers = {"Content-Security-Policy": page.content_security_policy, "Content-Encoding": "gzip"}
            self._whole(200, "text/html; charset=utf-8", page.gzipped, headers)

        def do_POST(self) -> None:
            server.paths.append(self.path)
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            authorization = self.headers["Authorization"]
            server.asked.append(Asked(self.path, authorization, body))
            if server.key is not None and authorization != f"Bearer {server.key}":
                self._refuse(RejectedReply(401, "The key is missing or wrong.", "invalid_api_key"))
                return
            reply = server.replies.pop(0)
            if isinstance(reply, RejectedReply):
                self._refuse(reply)
            else:
                self._stream(reply)

        def _stream(self, steps: Sequence[Step]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for step in steps:
                    if isinstance(step, Cut):
                        self.close_connection = True
                        return
                    if isinstance(step, Gate):
                        step.wait(self)
                    else:
                        self.wfile.write(_chunk(step.data))
                        self.wfile.flush()
                self.wfile.write(_chunk(b""))
            except OSError:
                self.close_connection = True

        def _refuse(self, refusal: RejectedReply) -> None:
            error = {"message": refusal.message, "type": "error", "param": refusal.param, "code": refusal.code}
            kind = "text/html" if refusal.body is not None else "application/json"
            body = refusal.body if refusal.body is not None else json.dumps({"error": error})
            self._whole(refusal.status, kind, body.encode(), refusal.headers)

        def _json(self, body: dict[str, Any]) -> None:
            # The function's status while it starts is 503, which browsers log as an error: tests of it expect that.
            ready = body.get("state", "ready") == "ready"
            self._whole(200 if ready else 503, "application/json", json.dumps(body).encode(), {})

        def _whole(self, status: int, kind: str, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Write no log."""

    return Handler
