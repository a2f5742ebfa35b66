"""Objects in S3 and in what speaks its protocol.

The light path signs with the keys in the environment, or asks without any (a public bucket), and imports no SDK. Where
that is refused, or profiles and configuration files are in play, botocore finds credentials, region and endpoint.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from function.errors import AccessDenied, SourceError, UnknownScheme
from function.settings import Stores
from function.source.base import ObjectInfo, Source, explain, span, unreachable
from function.source.http_client import Request, WireError, ask
from function.source.sigv4 import Credentials, sign

DEFAULT_REGION = "us-east-1"  # where a bucket of another region answers with that region's name
CHECKSUMS = {"sha256": 32, "crc64nvme": 8, "crc32c": 4, "crc32": 4}  # name → bytes
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "RequestExpired"})  # answered with a 400


class S3Source(Source):
    """``s3://bucket/key``."""

    def __init__(self, uri: str, stores: Stores) -> None:
        self.uri = uri
        self.bucket, _, self.key = uri.removeprefix("s3://").partition("/")
        if not self.bucket or not self.key:
            raise UnknownScheme(f"{uri}: write it as s3://bucket/key.", uri=uri)
        self._stores = stores
        self._region = stores.aws_region or stores.aws_default_region or DEFAULT_REGION
        self._endpoint = stores.aws_endpoint_url_s3 or stores.aws_endpoint_url
        self._provider: _Provider | None = None
        self._light = not stores.aws_profile and not _config(stores).exists()

    def describe(self) -> ObjectInfo:
        if not self._light:
            self._use_sdk()
        status, headers, body = self._ask("HEAD", {"x-amz-checksum-mode": "ENABLED"})
        region = headers.get("x-amz-bucket-region")
        if status in (301, 307, 400, 403) and region and region != self._region and not self._endpoint:
            self._region = region
            status, headers, body = self._ask("HEAD", {"x-amz-checksum-mode": "ENABLED"})
        if status in (400, 401, 403) and self._provider is None:
            self._use_sdk()
            status, headers, body = self._ask("HEAD", {"x-amz-checksum-mode": "ENABLED"})
        if status != 200:
            again, _, body = self._ask("GET", {"range": "bytes=0-0"})  # a HEAD's refusal carries no reason
            raise self.failure(status, headers, body if again >= 400 else b"")
        etag = headers.get("etag", "")
        return ObjectInfo(self.uri, int(headers["content-length"]), etag, _checksums(headers))

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        return self._signed("GET", {"if-match": info.version} | span(info, start, stop))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        code, detail = _reason(body)
        if code in EXPIRED:
            status = 401
        who = "the AWS credentials in use" if self._credentials() else "anybody, since no AWS credentials were found"
        return explain(
            self.uri,
            status,
            hint=f"Allow s3:GetObject on arn:aws:s3:::{self.bucket}/{self.key} for {who}.",
            detail=f"{code}: {detail}" if detail else code,
        )

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        if headers.get("etag", info.version) != info.version:
            raise explain(self.uri, 412, hint="")

    def renew(self) -> bool:
        before = self._credentials()
        self._use_sdk()
        return self._credentials() not in (None, before)

    def _ask(self, method: str, headers: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        request = self._signed(method, headers)
        try:
            return ask(request)
        except WireError as e:
            raise unreachable(self.uri, request.url, e) from e

    def _signed(self, method: str, headers: dict[str, str]) -> Request:
        url, credentials = self._url(), self._credentials()
        if credentials is not None:
            headers = sign(method, url, headers, credentials, self._region)
        return Request(url, headers, method)

    def _url(self) -> str:
        key = quote(self.key, safe="/~")
        if self._endpoint:
            return f"{self._endpoint.rstrip('/')}/{self.bucket}/{key}"
        host = f"s3.{self._region}.amazonaws.com" + (".cn" if self._region.startswith("cn-") else "")
        if "." in self.bucket:  # TLS certificates name one label before the host
            return f"https://{host}/{self.bucket}/{key}"
        return f"https://{self.bucket}.{host}/{key}"

    def _credentials(self) -> Credentials | None:
        if self._provider is not None:
            return self._provider.credentials()
        stores = self._stores
        if stores.aws_access_key_id and stores.aws_secret_access_key:
            return Credentials(stores.aws_access_key_id, stores.aws_secret_access_key, stores.aws_session_token)
        return None

    def _use_sdk(self) -> None:
        self._provider = _Provider(self.uri)
        self._region = self._provider.region or self._region
        endpoint = self._provider.endpoint
        if not (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            self._endpoint = endpoint


class _Provider:
    """botocore's credentials, region and endpoint, from wherever it finds them."""

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
            raise self._denied(e) from e
        self.region, self.endpoint = region, str(client.meta.endpoint_url)

    def credentials(self) -> Credentials | None:
        from botocore.exceptions import BotoCoreError

        if self._credentials is None:
            return None
        try:
            frozen = self._credentials.get_frozen_credentials()
        except BotoCoreError as e:
            raise self._denied(e) from e
        if not frozen.access_key or not frozen.secret_key:
            return None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def _denied(self, error: Exception) -> AccessDenied:
        return AccessDenied(f"{self._uri}: AWS gives no credentials ({error}).", uri=self._uri)


def _config(stores: Stores) -> Path:
    return Path(stores.aws_config_file).expanduser()


def _checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """What the store vouches for of the whole object; a checksum of part checksums says nothing about the bytes."""
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return {}
    found = {}
    for name, width in CHECKSUMS.items():
        text = headers.get(f"x-amz-checksum-{name}", "")
        if text and "-" not in text:  # "…-3": of three part checksums, from before the type was told
            value = base64.b64decode(text)
            if len(value) == width:
                found[name] = value.hex()
    return found


def _reason(body: bytes) -> tuple[str, str]:
    """Code and message of S3's XML error; empty where the body is none."""
    if not body:
        return "", ""
    from xml.etree import ElementTree  # expat refuses entity bombs, and the body is at most a megabyte

    try:
        root = ElementTree.fromstring(body)  # noqa: S314  # the same reason
    except ElementTree.ParseError:
        return "", ""
    return root.findtext("Code", ""), root.findtext("Message", "")
