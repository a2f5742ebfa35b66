"""Flask application: routes, access, error bodies."""

import logging
from typing import Any

from flask import Flask, Response, current_app, jsonify, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException

from function.errors import BodyTooLarge, Busy, FunctionError, MethodNotAllowed, NotFound, RequestError
from function.lifecycle.service import Service
from function.settings import Telemetry
from function.web import auth, exchange, origins, paths, security_headers
from function.web.api_key import ApiKey
from function.web.request.client import ClientGone
from function.web.routes import (
    anthropic_messages,
    completions,
    embeddings,
    health,
    metrics,
    pages,
    responses,
    snapstart,
    tokenize,
)

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 << 20
"""Largest body: a prompt of 128k tokens with every character escaped."""
MAX_DRAINED_BYTES = 4 * MAX_BODY_BYTES
"""Bytes of a rejected body that are still read: a client that is still sending would never see the answer."""
CLIENT_GONE_STATUS = 499
"""Status in logs for a request whose client left; it is never sent."""
ERROR_TYPES: dict[int | None, type[FunctionError]] = {404: NotFound, 405: MethodNotAllowed, 413: BodyTooLarge}


def create_app(service: Service) -> Flask:
    """Return the application over one service. The first request starts the service, if it has not started yet."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.json = provider = DefaultJSONProvider(app)
    provider.sort_keys = provider.ensure_ascii = False
    provider.compact = True
    paths.accept_aliases(app)
    exchange.watch(app, service)
    security_headers.harden(app)
    origins.restrict(app, service.settings)
    telemetry, key = Telemetry.from_env(), ApiKey(service.settings)
    on_lambda = telemetry.aws_lambda_function_name is not None
    if telemetry.copies_instances:
        app.register_blueprint(snapstart.blueprint(service, key))
        auth.guard(app, key.read, on_lambda=on_lambda, platform_paths=snapstart.PATHS)
    else:
        auth.guard(app, key.read, on_lambda=on_lambda)
    for routes in (completions, responses, anthropic_messages, embeddings, tokenize, health, metrics, pages):
        app.register_blueprint(routes.blueprint(service))
    app.register_error_handler(FunctionError, _error_response)
    app.register_error_handler(HTTPException, _http_error_response)
    app.register_error_handler(ClientGone, lambda _: Response(status=CLIENT_GONE_STATUS))
    app.register_error_handler(Exception, _internal_error_response)
    return app


def _error_response(error: FunctionError) -> Response:
    exchange.current().refuse(error)
    response = jsonify(_error_body(error))
    response.status_code = error.status
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    if error.permanent:  # OpenAI's clients retry every other 5xx
        response.headers["x-should-retry"] = "false"
    return response


def _error_body(error: FunctionError) -> dict[str, Any]:
    """Return the error object of the API that the client speaks."""
    if request.path.startswith("/v1/messages") or "anthropic-version" in request.headers:
        from function.web.reply.anthropic_messages import error_body  # for its clients alone

        return error_body(error) | {"request_id": exchange.current().request_id}
    return error.body()


def _http_error_response(error: HTTPException) -> Response:
    status = error.code or 400
    if status >= 500:
        return _internal_error_response(error)
    if status == 413:
        _drain_body()
    message = error.description or error.name
    if status == 404:
        nearest = paths.nearest_path(current_app, request.path)
        message = "No such path. " + (
            f"Did you mean {nearest}?" if nearest else "Chat with POST /v1/chat/completions or POST /chat."
        )
    elif status == 413:
        message = f"The body is larger than {MAX_BODY_BYTES >> 20} MiB, more than any context holds."
    response = _error_response(ERROR_TYPES.get(status, RequestError)(message))
    response.status_code = status
    for key, value in error.get_headers():
        if key.lower() in ("allow", "retry-after"):
            response.headers[key] = value
    return response


def _drain_body() -> None:
    left, body = min(MAX_DRAINED_BYTES, request.content_length or MAX_DRAINED_BYTES), request.environ["wsgi.input"]
    while left > 0 and (piece := body.read(min(left, 1 << 16))):
        left -= len(piece)


def _internal_error_response(error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    return _error_response(FunctionError("The request failed unexpectedly; the log has the exception."))
