"""The Flask application: routes, error bodies, access."""

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from function.errors import BodyTooLarge, Busy, FunctionError, MethodNotAllowed, NotFound, RequestError
from function.lifecycle.service import Service
from function.web import auth, docs, security_headers
from function.web.exchange import exchange
from function.web.generation_stream import ClientGone
from function.web.reply import sse
from function.web.routes import chat, completions, health, metrics, page, tokenize

log = logging.getLogger(__name__)

MAX_BODY = 4 << 20
"""Bytes of the largest body: a prompt of 128k tokens with every character escaped."""
DRAIN = 4 * MAX_BODY
"""Bytes of a refused body that are read all the same: a client that is still sending would never see the answer."""
UNREAD = 499
"""The status that logs show for a request whose client left; nobody receives it."""


def create_app(service: Service) -> Flask:
    """The application over one service, which it starts with the first request at the latest."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]  # DefaultJSONProvider has it, its base does not
    exchange.watch(app, service)
    security_headers.harden(app)
    auth.guard(app, service.settings)
    app.register_blueprint(chat.blueprint(service))
    app.register_blueprint(completions.blueprint(service))
    app.register_blueprint(tokenize.blueprint(service))
    app.register_blueprint(health.blueprint(service))
    app.register_blueprint(metrics.blueprint(service))
    app.register_blueprint(docs.blueprint(service))
    app.register_blueprint(page.blueprint(service))
    app.register_error_handler(FunctionError, _error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ClientGone, _client_gone)
    app.register_error_handler(Exception, _unexpected)
    return app


def _error(error: FunctionError) -> Response:
    exchange.refused(error)
    response = Response(sse.dumps(error.body()), error.status, mimetype="application/json")
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    if error.permanent:  # OpenAI's clients retry every 5xx unless they are told
        response.headers["x-should-retry"] = "false"
    return response


def _http_error(error: HTTPException) -> Response:
    kinds: dict[int | None, type[FunctionError]] = {404: NotFound, 405: MethodNotAllowed, 413: BodyTooLarge}
    said = {
        413: f"The body is larger than {MAX_BODY >> 20} MiB, more than any context holds.",
        404: "No such path. Ask POST /chat or POST /v1/chat/completions.",
    }
    if error.code is not None and error.code >= 500:
        return _unexpected(error)
    if error.code == 413:
        _drain()
    kind = kinds.get(error.code, RequestError)
    response = _error(kind(said.get(error.code or 0, error.description or error.name)))
    response.status_code = error.code or 400
    for key, value in error.get_headers():
        if key.lower() in ("allow", "retry-after"):
            response.headers[key] = value
    return response


def _drain() -> None:
    left, body = min(DRAIN, request.content_length or DRAIN), request.environ["wsgi.input"]
    while left > 0 and (piece := body.read(min(left, 1 << 16))):
        left -= len(piece)


def _client_gone(error: ClientGone) -> Response:
    return Response(status=UNREAD)


def _unexpected(error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    return _error(FunctionError("Something went wrong here; the log says what."))
