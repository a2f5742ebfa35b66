"""Source of objects in S3 and in stores with its protocol.

The light path signs with the keys in the environment, or sends unsigned requests (a public bucket), and imports no
SDK. botocore provides credentials, region, address and certificate authorities if these requests are rejected, and from
the start if a profile, a configuration file, an option or the kind of the bucket requires it.
"""

import base64
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from function.errors import SourceError, UnknownScheme
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
from function.source.http_client import Reply, Request
from function.source.s3_error import EXPIRED_CODES, S3Error
from function.source.s3_object import S3Address, S3Object
from function.source.sigv4 import Credentials, sign

if TYPE_CHECKING:
    from function.source.s3_session import S3Session

NO_ETAG = "last-modified "  # begins the version of an object in a store that keeps no ETag
DEFAULT_REGION = "us-east-1"  # it answers for a bucket of another region with that region's name
CHECKSUM_BYTES = {"sha256": 32, "crc64nvme": 8, "crc32c": 4, "crc32": 4}


class S3Source(Source):
    """Object ``s3://bucket/key``; see ``S3Object`` for its other forms."""

    def __init__(self, uri: str, stores: Stores) -> None:
        self.uri = uri
        self._item = S3Object.parse(uri)
        self._stores = stores
        self._endpoint = stores.s3_endpoint
        if self._endpoint and "@" in urlsplit(self._endpoint).netloc:
            raise UnknownScheme(
                f"{uri}: AWS_ENDPOINT_URL ({host_of(self._endpoint)}) must not hold credentials. Set AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY.",
                uri=uri,
            )
        self.ca_bundle = stores.aws_ca_bundle or stores.ca_bundle
        self._session: S3Session | None = None
        self._bucket_session: Credentials | None = None
        self._stated_region: str | None = None  # by the store
        region = stores.aws_region or stores.aws_default_region or DEFAULT_REGION
        self._address = S3Address(_build_url(self._item, region, self._endpoint), region)
        self._light = (
            not stores.aws_needs_sdk
            and not Path(stores.aws_config_file).expanduser().exists()
            and not self._item.is_access_point
            and not self._item.is_in_directory_bucket
        )

    def describe(self) -> ObjectInfo:
        if not self._light and self._session is None:
            self._use_sdk()
        status, headers, body = self._head()
        region = headers.get("x-amz-bucket-region")
        if status in (301, 307, 400, 403) and region and region != self._address.region:
            self._stated_region = region
            self._move(region)
            status, headers, body = self._head()
        if status in (400, 401, 403) and self._session is None:
            self._use_sdk()
            status, headers, body = self._head()
        if status != 200:
            status, headers, body = self._find_error(status, headers)
        if status != 200:
            raise self.failure(status, headers, body)
        return self._read_info(headers)

    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        has_etag = info.validated and not info.version.startswith(NO_ETAG)
        condition = {"if-match": info.version} if has_etag else {}
        return self._sign("GET", condition | range_header(info, start, stop))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        error = S3Error.parse(headers, body)
        if error.code in EXPIRED_CODES:
            status = 401
        elif error.is_kms and status == 400:
            status = 403
        account = "the AWS credentials in use" if self._credentials() else "anyone, as no AWS credentials were found"
        return status_error(self.uri, status, hint=error.remedy(self._item.arn, account), detail=error.text)

    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        if not info.validated:
            return
        name = "last-modified" if info.version.startswith(NO_ETAG) else "etag"
        expected = info.version.removeprefix(NO_ETAG)
        if headers.get(name, expected) != expected:
            raise status_error(self.uri, 412)

    def renew(self) -> bool:
        before = self._credentials()
        self._bucket_session = None
        self._use_sdk()
        return self._credentials() not in (None, before)

    def _head(self) -> Reply:
        return self._exchange(self._sign("HEAD", {"x-amz-checksum-mode": "ENABLED"}))

    def _find_error(self, status: int, headers: Mapping[str, str]) -> Reply:
        """Return the cause of a rejected HEAD from the body of a GET; follow the region in it once."""
        get_status, _, body = self._exchange(self._sign("GET", {"range": "bytes=0-0"}))
        if get_status < 300:
            return status, headers, b""
        error = S3Error.parse(headers, body)
        if get_status in (301, 307, 400, 403) and error.region and error.region != self._address.region:
            self._stated_region = error.region
            self._move(error.region)
            status, headers, _ = self._head()
            if status != 200:
                _, _, body = self._exchange(self._sign("GET", {"range": "bytes=0-0"}))
        return status, headers, body

    def _read_info(self, headers: Mapping[str, str]) -> ObjectInfo:
        """Return the description in the headers of a HEAD; a size that is missing there comes from a GET."""
        encoding = headers.get("content-encoding", "")
        if is_encoded(encoding):
            raise encoding_error(self.uri, encoding)
        if is_web_page(headers):
            raise page_error(self.uri, self._address.url)
        size, status = headers.get("content-length", ""), 206
        if not size.isdecimal():
            status, got, body = self._exchange(self._sign("GET", {"range": "bytes=0-0"}))
            if status not in (200, 206, 416):
                raise self.failure(status, got, body)
            size = got.get("content-length", "") if status == 200 else got.get("content-range", "").rpartition("/")[2]
        etag, changed = headers.get("etag", ""), headers.get("last-modified", "")
        return ObjectInfo(
            self.uri,
            int(size) if size.isdecimal() else None,
            etag or NO_ETAG + changed,
            _read_checksums(self.uri, headers),
            ranges=status != 200,
            validated=bool(etag or changed),
        )

    def _sign(self, method: str, headers: dict[str, str]) -> Request:
        address, credentials = self._address, self._credentials()
        if self._stores.aws_request_payer:
            headers["x-amz-request-payer"] = self._stores.aws_request_payer
        if credentials is not None:
            headers = sign(method, address.url, headers, credentials, address.region, service=address.service)
        return Request(address.url, headers, method, ca_bundle=self.ca_bundle)

    def _credentials(self) -> Credentials | None:
        if self._session is not None:
            if not self._item.is_in_directory_bucket:
                return self._session.credentials()
            if self._bucket_session is None:
                self._bucket_session = self._session.create_bucket_session(self._address.region)
            return self._bucket_session
        stores = self._stores
        if stores.aws_access_key_id and stores.aws_secret_access_key:
            return Credentials(stores.aws_access_key_id, stores.aws_secret_access_key, stores.aws_session_token)
        return None

    def _use_sdk(self) -> None:
        from function.source.s3_session import S3Session

        self._session = S3Session(self.uri, self._item, self._endpoint)
        self.ca_bundle = self._stores.aws_ca_bundle or self._session.ca_bundle or self._stores.ca_bundle
        self._move(self._stated_region or self._stores.aws_region or self._session.region or self._address.region)

    def _move(self, region: str) -> None:
        """Address the object in a region."""
        if self._session is not None:
            self._address = self._session.locate(region)
        else:
            self._address = replace(self._address, url=_build_url(self._item, region, self._endpoint), region=region)


def _build_url(item: S3Object, region: str, endpoint: str | None) -> str:
    """Return the URL of an object by its bucket's name, without an SDK."""
    if endpoint:
        return f"{endpoint.rstrip('/')}/{item.bucket}/{item.path}"
    host = f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    if "." in item.bucket:  # TLS certificates cover one label before the host
        return f"https://{host}/{item.bucket}/{item.path}"
    return f"https://{item.bucket}.{host}/{item.path}"


def _read_checksums(uri: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the checksums of the whole object; a checksum of part checksums does not verify the bytes.

    Raises SourceError for a malformed one.
    """
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return {}
    found = {}
    for name, width in CHECKSUM_BYTES.items():
        text = headers.get(f"x-amz-checksum-{name}", "")
        if text and "-" not in text:  # "…-3" is of three part checksums, from before the header with the type
            try:
                value = base64.b64decode(text, validate=True)
            except ValueError as e:
                raise SourceError(f"{uri}: the store sent a malformed checksum ({e}).", uri=uri) from e
            if len(value) == width:
                found[name] = value.hex()
    return found
