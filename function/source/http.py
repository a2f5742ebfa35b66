"""Objects on any web server: redirects followed, ranges where the server knows them."""

from collections.abc import Mapping
from urllib.parse import quote, urljoin, urlsplit

from function.errors import SourceError
from function.source.base import ObjectInfo, Source, explain, host_of, span, unreachable
from function.source.http_client import Request, WireError, ask, origin

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MOST_REDIRECTS = 10  # what browsers allow at most is 20; a model host needs two
SAFE = "/%:@!$&'()*+,;=~"  # characters of a path that stay as they are; the user has encoded what needs it


class HTTPSource(Source):
    """``https://host/path`` or ``http://…``. ``headers`` go to the first host only, never to where it redirects."""

    def __init__(self, uri: str, url: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        self.uri = uri
        parts = urlsplit(url or uri)
        _ = parts.port  # raises ValueError for one that is no number
        self._url = parts._replace(path=quote(parts.path, safe=SAFE), fragment="").geturl()
        self._own = dict(headers or {})
        self._final = self._url

    def describe(self) -> ObjectInfo:
        status, headers, body = self._follow()
        if status == 416:  # an empty object has no first byte
            return ObjectInfo(self.uri, 0, _version(headers), self.checksums(headers))
        if status not in (200, 206):
            raise self.failure(status, headers, body)
        _, _, total = headers.get("content-range", "").partition("/")
        text = total if status == 206 else headers.get("content-length", "")
        size = int(text) if text.isdecimal() else None
        version = _version(headers) or f"size {size}"
        return ObjectInfo(self.uri, size, version, self.checksums(headers), ranges=status == 206)

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        headers = span(info, start, stop)
        if headers and info.version.startswith('"'):
            headers["if-range"] = info.version
        return Request(self._final, headers | self._own_for(self._final))

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        said = _version(headers)
        if said and not info.version.startswith("size ") and said != info.version:
            raise explain(self.uri, 412, hint="")

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        return explain(self.uri, status, hint=f"{host_of(self._final)} must let this machine read it.")

    def renew(self) -> bool:
        """Ask the first host again: where it redirected to may have been good for a while only."""
        before = self._final
        self._follow()
        return self._final != before

    def checksums(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """What the answer vouches for of the whole object: plain web servers say nothing to rely on."""
        return {}

    def _follow(self) -> tuple[int, Mapping[str, str], bytes]:
        """Ask for the first byte through all redirects, gathering the first value of every header on the way."""
        url, gathered = self._url, dict[str, str]()
        for _ in range(MOST_REDIRECTS):
            request = Request(url, {"range": "bytes=0-0"} | self._own_for(url))
            try:
                status, headers, body = ask(request, limit=1)
            except WireError as e:
                raise unreachable(self.uri, url, e) from e
            if status not in REDIRECTS or "location" not in headers:
                self._final = url
                return status, {**self.linked(gathered), **headers}, body
            gathered = {**headers, **gathered}
            url = urljoin(url, headers["location"])
            if urlsplit(url).scheme not in ("http", "https") or (self._url.startswith("https") and url[:5] != "https"):
                raise SourceError(
                    f"{self.uri}: redirected to {urlsplit(url).scheme}://{host_of(url)}, which is not followed.",
                    uri=self.uri,
                )
        error = SourceError(
            f"{self.uri}: more than {MOST_REDIRECTS} redirects, the last to {host_of(url)}.", uri=self.uri
        )
        error.permanent = True
        raise error

    def linked(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Of the redirects' headers those that speak of the object."""
        return {}

    def _own_for(self, url: str) -> dict[str, str]:
        return self._own if origin(url) == origin(self._url) else {}


def _version(headers: Mapping[str, str]) -> str:
    """What changes when the object does: the ETag, else the time of its last change, as the server writes it."""
    return headers.get("etag") or headers.get("last-modified", "")
