"""Source of objects in S3 and in stores with its protocol.

The light path signs with the keys in the environment, or sends unsigned requests (a public bucket), and imports no
SDK. If these are rejected, or a profile or a configuration file is set, botocore provides credentials, region and
endpoint.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from function.errors import AccessDenied, SourceError, UnknownScheme
from function.settings import Stores
from function.source.base import ObjectInfo, Source, range_header, status_error
from function.source.http_client import Reply, Request
from function.source.sigv4 import Credentials, sign

DEFAULT_REGION = "us-east-1"  # it answers for a bucket of another region with that region's name
CHECKSUM_BYTES = {"sha256": 32, "crc64nvme": 8, "crc32c": 4, "crc32": 4}
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "RequestExpired"})  # status 400


class S3Source(Source):
    """Object ``s3://bucket/key``."""

    def __init__(self, uri: str, stores: Stores) -> None:
        self.uri = uri
        self.bucket, _, self.key = uri.removeprefix("s3://").partition("/")
        if not self.bucket or not self.key:
            raise UnknownScheme(f"{uri}: write it as s3://bucket/key.", uri=uri)
        self._stores = stores
        self._region = stores.aws_region or stores.aws_default_region or DEFAULT_REGION
        self._endpoint = stores.aws_endpoint_url_s3 or stores.aws_endpoint_url
        self._session: _SDKSession | None = None
        self._light = not stores.aws_profile and not Path(stores.aws_config_file).expanduser().exists()

    def describe(self) -> ObjectInfo:
        if not self._light:
            self._use_sdk()
        status, headers, body = self._head()
        region = headers.get("x-amz-bucket-region")
        if status in (301, 307, 400, 403) and region and region != self._region and not self._endpoint:
            self._region = region
            status, headers, body = self._head()
        if status in (400, 401, 403) and self._session is None:
            self._use_sdk()
            status, headers, body = self._head()
        if status != 200:
            get_status, _, body = self._exchange(
                self._sign("GET", {"range": "bytes=0-0"})
            )  # a HEAD's error has no body
            raise self.failure(status, headers, body if get_status >= 400 else b"")
        etag = headers.get("etag", "")
        return ObjectInfo(self.uri, int(headers["content-length"]), etag, _read_checksums(headers))

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        return self._sign("GET", {"if-match": info.version} | range_header(info, start, stop))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        code, detail = _parse_error(body)
        if code in EXPIRED_CODES:
            status = 401
        account = "the AWS credentials in use" if self._credentials() else "anyone, as no AWS credentials were found"
        return status_error(
            self.uri,
            status,
            hint=f"Allow s3:GetObject on arn:aws:s3:::{self.bucket}/{self.key} for {account}.",
            detail=f"{code}: {detail}" if detail else code,
        )

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        if headers.get("etag", info.version) != info.version:
            raise status_error(self.uri, 412)

    def renew(self) -> bool:
        before = self._credentials()
        self._use_sdk()
        return self._credentials() not in (None, before)

    def _head(self) -> Reply:
        return self._exchange(self._sign("HEAD", {"x-amz-checksum-mode": "ENABLED"}))

    def _sign(self, method: str, headers: dict[str, str]) -> Request:
        url, credentials = self._url(), self._credentials()
        if credentials is not None:
            headers = sign(method, url, headers, credentials, self._region)
        return Request(url, headers, method)

    def _url(self) -> str:
        key = quote(self.key, safe="/~")
        if self._endpoint:
            return f"{self._endpoint.rstrip('/')}/{self.bucket}/{key}"
        host = f"s3.{self._region}.amazonaws.com" + (".cn" if self._region.startswith("cn-") else "")
        if "." in self.bucket:  # TLS certificates cover one label before the host
            return f"https://{host}/{self.bucket}/{key}"
        return f"https://{self.bucket}.{host}/{key}"

    def _credentials(self) -> Credentials | None:
        if self._session is not None:
            return self._session.credentials()
        stores = self._stores
        if stores.aws_access_key_id and stores.aws_secret_access_key:
            return Credentials(stores.aws_access_key_id, stores.aws_secret_access_key, stores.aws_session_token)
        return None

    def _use_sdk(self) -> None:
        self._session = _SDKSession(self.uri)
        self._region = self._session.region or self._region
        endpoint = self._session.endpoint
        if not (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            self._endpoint = endpoint


class _SDKSession:
    """Credentials, region and endpoint from botocore's standard places."""

    def __init__(self, uri: str) -> None:
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        self._uri = uri
        try:
            session = Session()
            self._credentials = session.get_credentials()
            region: str | None = session.get_config_variable("region")
            client = session.create_client("s3", region_name=region or DEFAULT_REGION)
        except BotoCoreError as e:
            raise self._denied_error(e) from e
        self.region, self.endpoint = region, str(client.meta.endpoint_url)

    def credentials(self) -> Credentials | None:
        from botocore.exceptions import BotoCoreError

        if self._credentials is None:
            return None
        try:
            frozen = self._credentials.get_frozen_credentials()
        except BotoCoreError as e:
            raise self._denied_error(e) from e
        if not frozen.access_key or not frozen.secret_key:
            return None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _denied_error(self, error: Exception) -> AccessDenied:
        return AccessDenied(f"{self._uri}: no usable AWS credentials ({error}).", uri=self._uri)


def _read_checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums of the whole object; a checksum of part checksums does not verify the bytes."""
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return {}
    found = {}
    for name, width in CHECKSUM_BYTES.items():
        text = headers.get(f"x-amz-checksum-{name}", "")
        if text and "-" not in text:  # "…-3" is of three part checksums, from before the header with the type
            value = base64.b64decode(text)
            if len(value) == width:
                found[name] = value.hex()
    return found


def _parse_error(body: bytes) -> tuple[str, str]:
    """Return code and message of S3's XML error; empty strings for any other body."""
    if not body:
        return "", ""
    from xml.etree import ElementTree  # expat rejects entity bombs, and the body is at most a megabyte

    try:
        root = ElementTree.fromstring(body)  # noqa: S314  # the same reason
    except ElementTree.ParseError:
        return "", ""
    return root.findtext("Code", ""), root.findtext("Message", "")
