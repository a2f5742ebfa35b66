"""What platforms ask: is the port open, could a token be produced, is it warm."""

import dataclasses
import time

from flask import Blueprint, Response, request

from function.errors import FunctionError
from function.lifecycle.service import Service
from function.lifecycle.status import FINAL_STATES, Status
from function.web.generation_stream import ClientGone
from function.web.reply import sse
from function.web.request.client_connection import ClientConnection

LOOK = 1.0
"""Seconds between two looks at whether who pings is still there: a ping that gave up must not hold a thread."""
WARMUP_PATIENCE = 600.0
"""Seconds a warmup ping waits for the load at most; schedulers give up earlier by themselves."""
SETTLE = 30.0
"""Seconds a warmup ping lends its CPU to a snapshot that is being stored, at most."""


def blueprint(service: Service) -> Blueprint:
    """The routes, over one service. None of them takes the model from a user."""
    routes = Blueprint("health", __name__)

    @routes.get("/health/live")
    def live() -> Response:
        service.start(retry=False)
        return _json({"state": service.status().state}, 200)

    @routes.get("/health/ready")
    def ready() -> Response:
        service.start(retry=False)
        status = service.status()
        requests = {"requests": waiting} if (waiting := len(service.runner.queue)) else {}
        return _json(_told(status) | requests, 200 if status.state == "ready" else 503)

    @routes.route("/events", methods=["GET", "POST"])
    def events() -> Response:
        service.start()
        connection = ClientConnection(request.environ, service.settings.client_timeout)
        until = time.monotonic() + min(service.settings.request_timeout, WARMUP_PATIENCE)
        while (status := service.await_ready(LOOK)).state not in FINAL_STATES and time.monotonic() < until:
            if connection.gone():
                raise ClientGone
        service.snapshot.await_stored(max(0.0, min(SETTLE, until - time.monotonic())))
        body = _warmup_report(service)
        if status.error is not None:
            body |= status.error.body()
        return _json(body, 200 if status.state == "ready" else 503)

    return routes


def _warmup_report(service: Service) -> dict[str, object]:
    status, loaded = service.status(), service.loaded
    return {
        "state": status.state,
        "age_seconds": round(service.age_seconds, 3),
        "model": service.name,
        "file": loaded.fetched.name if loaded else None,
        "loaded": loaded is not None,
        "first_token": status.state == "ready",
        "cold_start_seconds": service.timings.rounded(),
        "busy": len(service.runner.queue) > 0,
    }


def _told(status: Status) -> dict[str, object]:
    told = dataclasses.asdict(status)
    error: FunctionError | None = told.pop("error")
    told = {key: round(value, 3) if isinstance(value, float) else value for key, value in told.items()}
    told = {key: value for key, value in told.items() if value is not None}
    return told | (error.body() if error is not None else {})


def _json(body: object, status: int) -> Response:
    return Response(sse.dumps(body), status, mimetype="application/json", headers={"Cache-Control": "no-store"})
