"""Source of objects on any web server, with redirects, and with ranges if the server supports them."""

from collections.abc import Mapping
from urllib.parse import quote, urljoin, urlsplit

from function.errors import SourceError
from function.settings import Stores
from function.source.base import (
    ObjectInfo,
    Source,
    encoding_error,
    host_of,
    is_encoded,
    is_web_page,
    page_error,
    range_header,
    status_error,
)
from function.source.http_client import Reply, Request, get_origin, split_login

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 10  # browsers allow 20, a model host needs two
PROBE_BYTES = 1024  # of the second attempt to learn the size
RANGE_REJECTIONS = frozenset({400, 403, 405, 406, 501})  # for a range of one byte that the object may not deserve
SAFE_CHARACTERS = "/%:@!$&'()*+,;=~"  # not encoded in a path: the user has encoded the others


class HTTPSource(Source):
    """Object ``https://host/path`` or ``http://…``. ``headers`` go to the first host only, not to redirect targets.

    ``user:password@`` before the host is sent as Basic authentication, unless ``headers`` has an authorization.
    """

    def __init__(
        self, uri: str, stores: Stores, url: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.uri = uri
        self.ca_bundle = stores.ca_bundle
        url, login = split_login(url or uri)
        self._headers = {**login, **(headers or {})}
        self._set_url(url)

    def _set_url(self, url: str) -> None:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError if it is not a number
        self._url = parts._replace(path=quote(parts.path, safe=SAFE_CHARACTERS), fragment="").geturl()
        self._final = self._url

    def describe(self) -> ObjectInfo:
        status, headers, body = self._follow()
        if status == 416:  # an empty object has no first byte; others may have their own reason
            status, headers, body = self._exchange(self._request(self._final, {}), limit=PROBE_BYTES)
        if status not in (200, 206):
            raise self.failure(status, headers, body)
        if is_web_page(headers):
            raise page_error(self.uri, self._final)
        encoding = headers.get("content-encoding", "")
        if is_encoded(encoding):
            raise encoding_error(self.uri, encoding)
        _, _, total = headers.get("content-range", "").partition("/")
        text = total if status == 206 else headers.get("content-length", "")
        if status == 206 and not text.isdecimal():  # "bytes 0-0/*": the whole object's length is in no range
            whole_status, whole, body = self._exchange(self._request(self._final, {}), limit=PROBE_BYTES)
            if whole_status != 200:
                raise self.failure(whole_status, whole, body)
            text = whole.get("content-length", "")
        size = int(text) if text.isdecimal() else None
        version = _read_version(headers)
        return ObjectInfo(
            self.uri, size, version, self.checksums(headers), ranges=status == 206, validated=bool(version)
        )

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        headers = range_header(info, start, stop)
        if headers and info.version.startswith('"'):
            headers["if-range"] = info.version
        return self._request(self._final, headers)

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        version = _read_version(headers)
        if version and info.validated and version != info.version:
            raise status_error(self.uri, 412)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        if status == 400 and self._final != self._url and b"xpired" in body:  # a signed URL, which renew() replaces
            status = 403
        return status_error(self.uri, status, hint=f"{host_of(self._final)} must grant this machine access.")

    def renew(self) -> bool:
        """Ask the first host again, because the URL that it redirected to may have expired."""
        before = self._final
        self._follow()
        return self._final != before

    def checksums(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return the checksums of the whole object in a response: none, as plain web servers state no reliable one."""
        return {}

    def _follow(self) -> Reply:
        """Request the first byte through all redirects, and collect the first value of every header."""
        url, collected = self._url, dict[str, str]()
        for _ in range(MAX_REDIRECTS):
            status, headers, body = self._probe(url)
            if status not in REDIRECTS or "location" not in headers:
                self._final = url
                return status, {**self.redirect_headers(collected), **headers}, body
            collected = {**headers, **collected}
            url = urljoin(url, headers["location"])
            if urlsplit(url).scheme not in ("http", "https") or (self._url.startswith("https") and url[:5] != "https"):
                raise SourceError(
                    f"{self.uri}: redirected to {urlsplit(url).scheme}://{host_of(url)}, which is not allowed.",
                    uri=self.uri,
                )
        error = SourceError(
            f"{self.uri}: more than {MAX_REDIRECTS} redirects, the last to {host_of(url)}.", uri=self.uri
        )
        error.permanent = True
        raise error

    def redirect_headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Return those of the redirects' headers that describe the object."""
        return {}

    def _probe(self, url: str) -> Reply:
        """Request the first byte; some servers reject a range of one byte, or all ranges."""
        reply = self._exchange(self._request(url, {"range": "bytes=0-0"}), limit=PROBE_BYTES)
        for headers in ({"range": f"bytes=0-{PROBE_BYTES - 1}"}, {}):
            if reply[0] not in RANGE_REJECTIONS:
                return reply
            other = self._exchange(self._request(url, headers), limit=PROBE_BYTES)
            if other[0] < 400:
                return other
        return reply

    def _request(self, url: str, headers: Mapping[str, str]) -> Request:
        url, login = split_login(url)
        known = self._headers if get_origin(url) == get_origin(self._url) else {}
        return Request(url, {**headers, **login, **known}, ca_bundle=self.ca_bundle)


def _read_version(headers: Mapping[str, str]) -> str:
    """Return the version of the object: its ETag, else the time of its last change as the server writes it."""
    return headers.get("etag") or headers.get("last-modified", "")
