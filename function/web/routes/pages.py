"""The pages, each in one response: the chat page, the API's documentation and its OpenAPI document."""

from typing import Any

from flask import Blueprint, Response, json

from function import default_model
from function.engine import describe_kind
from function.lifecycle.service import Service

_NOTICE = (
    f'The model is <a href="{default_model.SOURCE_URL}">{default_model.NAME}</a> ({default_model.LICENSE}), one of the '
    "smallest that can chat. Set <code>MODEL_URI</code> to serve another one."
)


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service. Their content is the same for every instance, so they need no key.

    It is built with the first request for it, which the first token need not wait for.
    """
    routes = Blueprint("pages", __name__)
    settings = service.settings
    guarded = settings.api_key is not None or settings.api_key_parameter is not None

    @routes.get("/")
    def chat_page() -> Response:
        service.start(retry=False)  # a visitor of the page is about to ask
        from function.web.page import render

        return render(_notice(service)).response()

    @routes.get("/openapi.json")
    def openapi() -> tuple[dict[str, Any], dict[str, str]]:
        from function.web.docs.openapi import document

        return document(guarded), {"Cache-Control": "no-cache"}

    @routes.get("/docs")
    def docs() -> Response:
        from function.web.docs.openapi import document
        from function.web.docs.swagger import render

        return render(json.dumps(document(guarded))).response()

    return routes


def _notice(service: Service) -> str:
    """Return a sentence about the model, in HTML: its kind, once it is known and is not chat, or the default's name."""
    if (loaded := service.loaded) is not None and loaded.engine.kind != "chat":
        return describe_kind(loaded.engine.kind)
    return _NOTICE if service.settings.serves_default_model else ""
