"""Authentication of callers: OpenAI's client, or httpx, with a private service on Cloud Run or function on Lambda.

Each class is a callable that httpx takes as ``auth``. This file needs none of the package's other modules, so a program
may have a copy of it:

    client = OpenAI(base_url=f"{url}/v1", api_key=key, http_client=DefaultHttpxClient(auth=CloudRunAuth(url)))
"""

import re
import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from botocore.credentials import Credentials
    from google.auth.credentials import Credentials as GoogleCredentials


class AuthRequest(Protocol):
    """The part of httpx's request that is read and changed; its body is in memory, as JSON is."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> object: ...
    @property
    def headers(self) -> "MutableMapping[str, str]": ...
    @property
    def content(self) -> bytes: ...


R = TypeVar("R", bound=AuthRequest)


class LambdaAuth:
    """Signature (SigV4) of each request to a function URL. It needs botocore.

    A signature has the place of the API key, in ``Authorization``. The key that OpenAI's client writes there is sent
    as ``X-Api-Key``. ``credentials`` are those that the AWS CLI would use, unless given. Raises ValueError without
    any, and for a host without a region if ``region`` is not given.
    """

    def __init__(self, url: str, *, region: str | None = None, credentials: "Credentials | None" = None) -> None:
        from botocore.session import get_session

        found = re.search(r"\.lambda-url\.([a-z0-9-]+)\.on\.aws", url)
        if region is None and found is None:
            raise ValueError(f"{url} is not a function URL; name its region.")
        self._region = region or (found[1] if found else "")
        found_credentials = credentials or get_session().get_credentials()
        if found_credentials is None:
            raise ValueError("There are no AWS credentials: run `aws configure`, or set AWS_ACCESS_KEY_ID.")
        self._credentials = found_credentials

    def __call__(self, request: R) -> R:
        """Return the request with its signature."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if key:
            request.headers["X-Api-Key"] = key
        # Only what no proxy changes is signed.
        signed = AWSRequest(
            method=request.method,
            url=str(request.url),
            data=request.content,
            headers={name: value for name, value in request.headers.items() if name.lower() == "content-type"},
        )
        # Temporary credentials are renewed here, shortly before they expire.
        SigV4Auth(self._credentials.get_frozen_credentials(), "lambda", self._region).add_auth(signed)
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
            if name in signed.headers:
                request.headers[name] = signed.headers[name]
        return request


class CloudRunAuth:
    """Google identity token of each request to a private service. It needs google-auth and requests.

    The token is sent as ``X-Serverless-Authorization``, so that ``Authorization`` is free for the API key. ``url`` is
    the service's own URL, without a path. ``credentials`` are identity token credentials, such as impersonated ones;
    by default those of the service account that the program runs as, or whose key GOOGLE_APPLICATION_CREDENTIALS
    names. Raises google.auth.exceptions.DefaultCredentialsError without any: a person's login has none.
    """

    def __init__(self, url: str, *, credentials: "GoogleCredentials | None" = None) -> None:
        from google.auth.transport.requests import Request as Transport
        from google.oauth2.id_token import fetch_id_token_credentials

        self._transport = Transport()
        if credentials is None:
            credentials = fetch_id_token_credentials(url.rstrip("/"), self._transport)  # type: ignore[no-untyped-call]
        self._credentials = credentials
        self._renewal = threading.Lock()

    def __call__(self, request: R) -> R:
        """Return the request with a token that is valid for at least minutes."""
        with self._renewal:
            if not self._credentials.valid:
                self._credentials.refresh(self._transport)
            request.headers["X-Serverless-Authorization"] = f"Bearer {self._credentials.token}"
        return request
