"""Run API with one service, behind an HTTP proxy, so that the real gcloud reaches it under the API's names."""

import base64
import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"none"}', b'{"exp":4000000000}', b"s")
)
"""An identity token without a signature, which gcloud decodes."""

SIGNED = "SIGNED.JWT"
"""The text that the API returns for claims to sign."""

READY = [{"type": kind, "status": "True"} for kind in ("Ready", "ConfigurationsReady", "RoutesReady")]


def revision_name(generation: int) -> str:
    """Return the name that the API gives to a revision without one."""
    return f"chat-{generation:05}-api"


class RunApi(ThreadingHTTPServer):
    """The service `chat`. ``writes`` holds each state that a client sent, ``claims`` what it had signed last."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RunHandler)
        self.writes: list[dict[str, Any]] = []
        self.claims: dict[str, Any] = {}
        self.service: dict[str, Any] = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": "chat", "namespace": "p", "generation": 1, "annotations": {}, "labels": {}},
            "spec": {
                "template": {"metadata": {}, "spec": {"containers": [{"image": "old@sha256:" + "b" * 64}]}},
                "traffic": [{"revisionName": revision_name(1), "percent": 100}],
            },
        }
        self.complete(1)

    def complete(self, latest: int) -> None:
        """Set the status of a service whose newest revision is that of the generation ``latest``."""
        self.service["status"] = {
            "observedGeneration": self.service["metadata"]["generation"],
            "url": "https://chat-1-ew.a.run.app",
            "latestCreatedRevisionName": revision_name(latest),
            "latestReadyRevisionName": revision_name(latest),
            "traffic": copy.deepcopy(self.service["spec"]["traffic"]),
            "conditions": READY,
        }
        self.latest = latest

    def write(self, sent: dict[str, Any]) -> None:
        """Store the service that a client sent; a changed template is a new revision."""
        self.writes.append(sent)
        changed = sent["spec"]["template"] != self.service["spec"]["template"]
        self.service["spec"] = sent["spec"]
        self.service["metadata"]["generation"] += 1
        self.complete(self.service["metadata"]["generation"] if changed else self.latest)


class RunHandler(BaseHTTPRequestHandler):
    """Answers of the APIs that gcloud calls on the way: Run, Service Usage and IAM Credentials."""

    server: RunApi

    def do_GET(self) -> None:
        """Answer a request of any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply: dict[str, Any] = {}
        if self.path.partition("?")[0].endswith("/services/chat"):
            if self.command == "PUT" and "dryRun" not in self.path:
                self.server.write(json.loads(body))
            reply = self.server.service
        elif "services/run.googleapis.com" in self.path:
            reply = {"name": "projects/p/services/run.googleapis.com", "state": "ENABLED"}
        elif ":generateIdToken" in self.path:
            reply = {"token": TOKEN}
        elif ":signJwt" in self.path:
            self.server.claims = json.loads(json.loads(body)["payload"])
            reply = {"keyId": "1", "signedJwt": SIGNED}
        elif ":generateAccessToken" in self.path:
            reply = {"accessToken": "ACCESS", "expireTime": "2099-01-01T00:00:00Z"}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self) -> None:
        """Answer a write."""
        self.do_GET()

    def do_POST(self) -> None:
        """Answer a request for a token."""
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Write nothing."""


@contextmanager
def run_api() -> Iterator[RunApi]:
    """Serve the API while the context lasts."""
    with RunApi() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def gcloud_settings(server: RunApi, folder: str) -> dict[str, str]:
    """Return the environment in which gcloud calls ``server``, with a configuration of its own."""
    names = ("RUN", "SERVICEUSAGE", "IAMCREDENTIALS")
    return {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"http://{name.lower()}.test/" for name in names} | {
        "http_proxy": f"http://127.0.0.1:{server.server_port}",
        "CLOUDSDK_CONFIG": folder,
        "CLOUDSDK_AUTH_ACCESS_TOKEN": "ACCESS",
        "CLOUDSDK_CORE_PROJECT": "p",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
    }
