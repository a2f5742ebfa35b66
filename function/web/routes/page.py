"""GET /: the chat page, in one response."""

from flask import Blueprint, Response

from function import default_model
from function.lifecycle.service import Service
from function.web.inline_page import send

_NOTICE = (
    f'The model is <a href="{default_model.SOURCE_URL}">{default_model.NAME}</a> ({default_model.LICENSE}), one of the '
    "smallest that can chat. Set <code>MODEL_URI</code> to serve another one."
)


def blueprint(service: Service) -> Blueprint:
    """The route, over one service, which it starts: who opens the page is about to ask."""
    routes = Blueprint("front", __name__)

    @routes.get("/")
    def page() -> Response:
        service.start(retry=False)
        from function.web.page import render  # built when first asked for: not before the first token

        return send(render(_NOTICE if service.settings.serves_default_model else ""))

    return routes
