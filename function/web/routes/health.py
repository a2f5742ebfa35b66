"""The endpoints for platforms and schedulers: port open, token possible, instance warm."""

import dataclasses
import logging
import time
from typing import Any

from flask import Blueprint

from function.lifecycle.service import Service
from function.web.auth import has_key
from function.web.generation_stream import client_of_request, wait_for_engine

_log = logging.getLogger(__name__)

WARMUP_POLL_SECONDS = 1.0
"""Interval between two checks of a pinging client: one that has gone must not hold a thread."""
WARMUP_TIMEOUT_SECONDS = 600.0
"""Longest wait of a warmup ping for the load; schedulers give up earlier."""
SETTLE_TIMEOUT_SECONDS = 30.0
"""Longest time for which a warmup ping keeps the CPU on for a snapshot that is being stored."""


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service. None of them takes the model from a user."""
    routes = Blueprint("health", __name__)

    @routes.get("/health/live")
    def live() -> dict[str, str]:
        service.start(retry=False)
        return {"state": service.status().state}

    @routes.get("/health/ready")
    def ready() -> tuple[dict[str, Any], int]:
        service.start(retry=False)
        status = service.status()
        fields = dataclasses.asdict(dataclasses.replace(status, error=None)) | {
            "requests": len(service.runner.queue) or None
        }
        rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in fields.items()}
        body = {key: value for key, value in rounded.items() if value is not None}
        return body | (status.error.body() if status.error else {}), 200 if status.state == "ready" else 503

    @routes.route("/events", methods=["GET", "POST"])
    def events() -> tuple[dict[str, Any], int]:
        if not has_key():  # anyone could otherwise hold threads, and keep the instance busy
            return _warmup_report(service), 200 if service.status().state == "ready" else 503
        client = client_of_request(service, WARMUP_TIMEOUT_SECONDS)
        status = wait_for_engine(service, client, WARMUP_POLL_SECONDS)
        left = max(0.0, client.deadline - time.monotonic())
        service.snapshot.await_stored(min(SETTLE_TIMEOUT_SECONDS, left))
        if status.error is not None:
            # Lambda's adapter reports every answer to an event as a success: an alarm can see only this line.
            _log.error(
                "the warmup ping found no usable model", extra={"event": "warmup_failed", "code": status.error.code}
            )
        body = _warmup_report(service) | (status.error.body() if status.error else {})
        return body, 200 if status.state == "ready" else 503

    return routes


def _warmup_report(service: Service) -> dict[str, Any]:
    status, loaded = service.status(), service.loaded
    return {
        "state": status.state,
        "age_seconds": round(service.age_seconds, 3),
        "model": service.name,
        "kind": service.provenance.kind or None,
        "file": loaded.fetched.name if loaded else None,
        "loaded": loaded is not None,
        "first_token": status.state == "ready",
        "cold_start_seconds": service.timings.rounded(),
        "busy": len(service.runner.queue) > 0,
    }
