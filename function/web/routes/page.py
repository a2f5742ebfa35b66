"""GET /: the chat page, in one response."""

from flask import Blueprint, Response

from function.lifecycle.service import Service
from function.web.inline_page import send


def blueprint(service: Service) -> Blueprint:
    """The route, over one service, which it starts: who opens the page is about to ask."""
    routes = Blueprint("front", __name__)

    @routes.get("/")
    def page() -> Response:
        service.start(retry=False)
        from function.web.page import render  # built when first asked for: not before the first token

        return send(render())

    return routes
