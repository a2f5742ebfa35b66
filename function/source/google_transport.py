"""HTTP transport of google-auth with this program's timeout and certificate authorities."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from google.auth import transport
from google.auth.transport.requests import Request

from function.source.http_client import RESPONSE_TIMEOUT_SECONDS

PROJECTS_HOST = "cloudresourcemanager."


class GoogleTransport(Request):  # type: ignore[misc]  # google-auth ships no types
    """Transport of token requests. The name of a project is not asked for, as no request here needs it.

    google-auth looks it up for federated credentials, which fails where that API is off or cannot be reached.
    """

    def __init__(self, ca_bundle: str | None) -> None:
        session = requests.Session()
        if ca_bundle is not None:
            session.verify = ca_bundle
        super().__init__(session)

    def __call__(self, url: str, *args: Any, timeout: float | None = None, **values: Any) -> Any:
        if PROJECTS_HOST in (urlsplit(url).hostname or ""):
            return _EmptyResponse()
        seconds = min(timeout or RESPONSE_TIMEOUT_SECONDS, RESPONSE_TIMEOUT_SECONDS)
        return super().__call__(url, *args, timeout=seconds, **values)


class _EmptyResponse(transport.Response):  # type: ignore[misc]  # the same reason
    """Response without a project."""

    status = HTTPStatus.NOT_FOUND
    headers: dict[str, str] = {}  # noqa: RUF012  # as in the base class
    data = b"{}"
