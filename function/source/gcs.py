"""Source of objects in Google Cloud Storage, through its JSON API.

The first request carries no credentials, so that a public bucket never waits for an absent metadata server. If it is
rejected, google-auth looks for credentials in the standard places. An explicit key file is used at once.
"""

import base64
import json
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from function.errors import AccessDenied, SourceError, UnknownScheme
from function.settings import Stores
from function.source.base import ObjectInfo, Source, encoding_error, is_encoded, range_header, status_error
from function.source.http_client import Reply, Request

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

ENDPOINT = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_GENERATION = re.compile(r"#([0-9]{1,20})$")


class GCSSource(Source):
    """Object ``gs://bucket/object``, optionally one generation of it: ``…#1712345678901234``."""

    def __init__(self, uri: str, stores: Stores) -> None:
        self.uri = uri
        self.bucket, _, name = uri.removeprefix("gs://").partition("/")
        generation = _GENERATION.search(name)
        self.name = name[: generation.start()] if generation else name
        self._generation = generation[1] if generation else None
        self.ca_bundle = stores.ca_bundle
        if not self.bucket or not self.name:
            raise UnknownScheme(f"{uri}: write it as gs://bucket/object.", uri=uri)
        emulator = stores.storage_emulator_host
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        self._endpoint = (emulator or ENDPOINT).rstrip("/")
        self._emulated = emulator is not None
        self._explicit = stores.google_application_credentials is not None
        self._credentials: Credentials | None = None
        self._searched = False
        self._lock = threading.Lock()

    def describe(self) -> ObjectInfo:
        if self._explicit and not self._emulated:
            self._authorize()
        status, headers, body = self._request_metadata()
        if status in (401, 403) and self._authorize():
            status, headers, body = self._request_metadata()
        if status != 200:
            raise self.failure(status, headers, body)
        try:
            found = json.loads(body)
            checksums = {"crc32c": base64.b64decode(found["crc32c"]).hex()} if "crc32c" in found else {}
            info = ObjectInfo(self.uri, int(found["size"]), str(found["generation"]), checksums)
            encoding = str(found.get("contentEncoding", ""))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise SourceError(f"{self.uri}: the store sent malformed metadata ({e!r}).", uri=self.uri) from e
        if is_encoded(encoding):
            raise encoding_error(self.uri, encoding)
        return info

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        url = f"{self._url('download/storage/v1')}?alt=media&generation={info.version}"
        # Without "gzip" the store decompresses objects that it keeps compressed, and their size differs.
        headers = {"accept-encoding": "gzip"} | range_header(info, start, stop) | self._authorization()
        return Request(url, headers, ca_bundle=self.ca_bundle)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        account = "the service account in use" if self._credentials else "allUsers, as no Google credentials were found"
        return status_error(
            self.uri,
            status,
            hint=f"Grant roles/storage.objectViewer on the bucket {self.bucket} to {account}.",
            detail=_parse_error(body),
        )

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        if headers.get("x-goog-generation", info.version) != info.version:
            raise status_error(self.uri, 412)

    def renew(self) -> bool:
        with self._lock:
            if self._credentials is None:
                return False
            self._refresh(self._credentials)
            return True

    def _url(self, service: str) -> str:
        return f"{self._endpoint}/{service}/b/{quote(self.bucket, safe='')}/o/{quote(self.name, safe='')}"

    def _request_metadata(self) -> Reply:
        query = f"?generation={self._generation}" if self._generation else ""
        return self._exchange(Request(self._url("storage/v1") + query, self._authorization(), ca_bundle=self.ca_bundle))

    def _authorization(self) -> dict[str, str]:
        with self._lock:
            if self._credentials is None:
                return {}
            if self._credentials.expired:
                self._refresh(self._credentials)
            headers: dict[str, str] = {}
            self._credentials.apply(headers)  # the token, and the project that pays if the credentials name one
            return headers

    def _authorize(self) -> bool:
        """Search the standard places for credentials, once; return False if there are none."""
        with self._lock:
            if self._searched or (self._emulated and not self._explicit):
                return self._credentials is not None
            self._searched = True
            import google.auth
            from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

            from function.source.google_transport import GoogleTransport

            try:
                credentials, _ = google.auth.default(scopes=[SCOPE], request=GoogleTransport(self.ca_bundle))
            except DefaultCredentialsError as e:
                if self._explicit:
                    raise self._denied_error(e) from e
                return False
            except GoogleAuthError as e:  # federated credentials request a token here
                raise self._denied_error(e) from e
            self._refresh(credentials)
            self._credentials = credentials
            return True

    def _refresh(self, credentials: Any) -> None:
        from google.auth.exceptions import GoogleAuthError

        from function.source.google_transport import GoogleTransport

        try:
            credentials.refresh(GoogleTransport(self.ca_bundle))
        except GoogleAuthError as e:
            raise self._denied_error(e) from e

    def _denied_error(self, error: Exception) -> AccessDenied:
        return AccessDenied(
            f"{self.uri}: no usable Google credentials ({error}). Check GOOGLE_APPLICATION_CREDENTIALS or the "
            "service account of this process.",
            uri=self.uri,
        )


def _parse_error(body: bytes) -> str:
    """Return the store's message from an error's body, JSON or plain text."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace").strip()
