"""Name of an object in S3 as its URI states it, and its address as a signature needs it."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from function.errors import UnknownScheme

_VERSION = re.compile(r"\?versionId=([^&?/]+)$")
_ACCESS_POINT = re.compile(r"(arn:[^/]*:(?:outpost[/:][^/:]+[/:])?accesspoint[/:][^/]+)/(.+)", re.DOTALL)
DIRECTORY_BUCKET_SUFFIX = "--x-s3"


@dataclass(frozen=True, slots=True)
class S3Object:
    """Object ``s3://bucket/key``, optionally one version of it: ``…?versionId=…``.

    In place of the bucket's name, the ARN of an access point may stand.
    """

    bucket: str
    key: str
    version_id: str | None

    @classmethod
    def parse(cls, uri: str) -> "S3Object":
        """Return the object that a URI names. Raises UnknownScheme."""
        rest = uri.removeprefix("s3://")
        version = _VERSION.search(rest)
        if version is not None:
            rest = rest[: version.start()]
        access_point = _ACCESS_POINT.fullmatch(rest)
        bucket, key = access_point.groups() if access_point else (*rest.split("/", 1), "")[:2]
        if not bucket or not key:
            raise UnknownScheme(f"{uri}: write it as s3://bucket/key.", uri=uri)
        if bucket.startswith("arn:") and access_point is None:
            raise UnknownScheme(
                f"{uri}: only the ARN of an access point can be read. Write it as "
                "s3://arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/key, or a bucket as s3://bucket/key.",
                uri=uri,
            )
        return cls(bucket, key, version[1] if version else None)

    @property
    def arn(self) -> str:
        """ARN of the object, for policies."""
        return f"{self.bucket}/object/{self.key}" if self.is_access_point else f"arn:aws:s3:::{self.bucket}/{self.key}"

    @property
    def is_access_point(self) -> bool:
        """True if ``bucket`` is the ARN of an access point."""
        return self.bucket.startswith("arn:")

    @property
    def is_in_directory_bucket(self) -> bool:
        """True if the bucket is in the storage class S3 Express One Zone."""
        return self.bucket.endswith(DIRECTORY_BUCKET_SUFFIX)

    @property
    def path(self) -> str:
        """Path of the object inside of its bucket, percent-encoded, with the version as a query."""
        query = f"?versionId={quote(self.version_id, safe='~')}" if self.version_id else ""
        return quote(self.key, safe="/~") + query


@dataclass(frozen=True, slots=True)
class S3Address:
    """URL of an object, and the region and service in the scope of its signature."""

    url: str
    region: str
    service: str = "s3"
