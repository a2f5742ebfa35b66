"""/openapi.json and /docs: what can be asked, for programs and for people. Made when first asked for."""

from flask import Blueprint, Response

from function.lifecycle.service import Service
from function.web.inline_page import send


def blueprint(service: Service) -> Blueprint:
    """The routes, over one service. They tell what any copy of this program would, so they ask for no key."""
    routes = Blueprint("docs", __name__)
    settings = service.settings
    guarded = settings.api_key is not None or settings.api_key_parameter is not None

    @routes.get("/openapi.json")
    def openapi() -> Response:
        from function.web.docs.openapi import document_json

        return Response(document_json(guarded), mimetype="application/json", headers={"Cache-Control": "no-cache"})

    @routes.get("/docs")
    def docs() -> Response:
        from function.web.docs.swagger import render

        return send(render(guarded))

    return routes
