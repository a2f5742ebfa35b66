"""GET /: the chat page, in one response."""

from flask import Blueprint, Response, request

from function.service import Service


def blueprint(service: Service) -> Blueprint:
    """The route, over one service, which it starts: who opens the page is about to ask."""
    routes = Blueprint("front", __name__)

    @routes.get("/")
    def page() -> Response:
        service.start(retry=False)
        from function.web.page import render  # built when first asked for: not before the first token

        made = render()
        zipped = request.accept_encodings.quality("gzip") > 0
        response = Response(made.gzipped if zipped else made.body, mimetype="text/html")
        if zipped:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["ETag"] = made.etag
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Content-Security-Policy"] = made.content_security_policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.make_conditional(request)
        return response

    return routes
