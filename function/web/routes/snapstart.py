"""The endpoints that Lambda's web adapter requests when SnapStart copies this process.

The adapter waits for LOADED, requests BEFORE, and lets Lambda store the memory. In each instance that Lambda starts
from it, the adapter requests AFTER first. An error of BEFORE ends the publishing of the version, one of AFTER the
instance.
"""

from flask import Blueprint, request

from function.engine import Finished, Job
from function.errors import NotFound
from function.lifecycle.service import Service
from function.lifecycle.status import FINAL_STATES
from function.web.api_key import ApiKey
from function.web.auth import REQUEST_CONTEXT
from function.web.request.chat_prompt import ChatPrompt
from function.web.request.schema import ChatCompletion

LOADED, BEFORE, AFTER = "/snapstart/loaded", "/snapstart/before", "/snapstart/after"
PATHS = frozenset((LOADED, BEFORE, AFTER))
"""Paths for the adapter alone."""
STORE_TIMEOUT_SECONDS = 60.0
"""Longest wait for a snapshot of the system prompt that is being stored."""
GREETING = {"messages": [{"role": "user", "content": "Hello!"}]}


def blueprint(service: Service, key: ApiKey) -> Blueprint:
    """Return the routes, over one service and the key of its callers."""
    routes = Blueprint("snapstart", __name__)
    service.renewals.add("key", key.forget)

    @routes.before_request
    def reject_callers() -> None:
        if REQUEST_CONTEXT in request.headers:  # the adapter passes it on; its own requests have none
            raise NotFound("No such path.")

    @routes.get(LOADED)
    def loaded() -> tuple[dict[str, str], int]:
        service.start(retry=False)
        state = service.status().state
        return {"state": state}, 200 if state in FINAL_STATES else 503

    @routes.post(BEFORE)
    def before() -> dict[str, str]:
        """Bring into memory what a first request needs: the model, the template, the SDK. Leave nothing open."""
        engine = service.engine
        if engine.kind == "chat":
            body = ChatCompletion.parse(GREETING, strict=True)
            _produce_token(service, ChatPrompt(service, body.messages, body).prompt(engine).tokens)
        service.snapshot.await_stored(STORE_TIMEOUT_SECONDS)
        key.read()
        key.forget()
        return {"state": service.status().state}

    @routes.post(AFTER)
    def after() -> dict[str, str]:
        service.continue_as_copy()
        return {"state": service.status().state}

    return routes


def _produce_token(service: Service, prompt: tuple[int, ...]) -> None:
    """Generate one token. Raises FunctionError if that fails."""
    ticket = service.runner.queue.enter()
    try:
        *_, end = service.runner.submit(service.engine, Job(prompt, max_tokens=1))
    finally:
        ticket.leave()
    assert isinstance(end, Finished)
    if end.error is not None:
        raise end.error
