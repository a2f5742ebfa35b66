"""Upload of a file to a bucket through the providers' SDKs: parallel parts, retries, and a checksum of the result."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from function.errors import AccessDenied, ChecksumMismatch, ObjectNotFound, SourceError, UnknownScheme
from function.settings import Stores
from function.source.base import ObjectInfo, status_error
from function.source.checksum import hash_file, stated_digest
from function.source.uri import normalize_uri, open_source

GCS_CHUNK_BYTES = 32 << 20  # one request of a resumable upload: sent again after a broken connection
ByteCallback = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """Object in the bucket. ``digest``: the store's checksum, equal to the file's. ``skipped``: it was there before."""

    size: int
    version: str
    digest: str | None
    skipped: bool


def upload_file(
    path: Path, uri: str, *, start: ByteCallback, add: ByteCallback, stores: Stores | None = None
) -> UploadedObject:
    """Store the file under the URI unless the same bytes are there.

    ``start`` receives the file's size, ``add`` that of each piece sent. Raises SourceError; ChecksumMismatch if the
    stored bytes differ.
    """
    uri = normalize_uri(uri)
    scheme, _, rest = uri.partition("://")
    if scheme not in ("s3", "gs"):
        raise UnknownScheme(f"{uri}: push stores in gs:// and s3:// buckets.", uri=uri)
    size = open_source(str(path)).describe().size
    assert size is not None
    start(size)
    try:
        existing = open_source(uri, stores).describe()
    except (ObjectNotFound, AccessDenied):  # absent, or this account may only write
        existing = None
    if existing is not None and existing.checksums and existing.size == size and _difference(path, existing) is None:
        add(size)
        return UploadedObject(size, existing.version, stated_digest(existing.checksums), True)
    bucket, _, name = rest.partition("/")
    (_upload_to_s3 if scheme == "s3" else _upload_to_gcs)(path, uri, bucket, name, add)
    stored = open_source(uri, stores).describe()
    difference = _difference(path, stored)
    if stored.size != size or difference:
        raise ChecksumMismatch(
            f"{uri}: the store has {stored.size} bytes with {difference or 'another size'}, the file {size}. "
            "Push again.",
            uri=uri,
        )
    return UploadedObject(size, stored.version, stated_digest(stored.checksums), False)


def _difference(path: Path, info: ObjectInfo) -> str | None:
    """Return the store's checksum if the file has another one, else None."""
    digest = stated_digest(info.checksums)
    if digest is None:
        return None
    with path.open("rb", buffering=0) as file:
        return None if hash_file(file.fileno(), digest.partition(":")[0]) == digest else digest


def _upload_to_s3(path: Path, uri: str, bucket: str, name: str, add: ByteCallback) -> None:
    import boto3
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        # The only checksum that S3 keeps of the whole object for any number of parts.
        boto3.client("s3").upload_file(
            str(path), bucket, name, ExtraArgs={"ChecksumAlgorithm": "CRC64NVME"}, Callback=add
        )
    except (ClientError, S3UploadFailedError) as e:
        response: Any = getattr(e if isinstance(e, ClientError) else e.__context__, "response", {})
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        hint = f"Allow s3:PutObject on arn:aws:s3:::{bucket}/{name} for the AWS credentials in use."
        raise status_error(uri, status, hint=hint, detail=str(e)) from e
    except BotoCoreError as e:
        raise AccessDenied(f"{uri}: {e}. Give AWS credentials that may write there.", uri=uri) from e


def _upload_to_gcs(path: Path, uri: str, bucket: str, name: str, add: ByteCallback) -> None:
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import storage

    try:
        blob = storage.Client().bucket(bucket).blob(name, chunk_size=GCS_CHUNK_BYTES)
        with _CountedFile(path, add) as file:
            blob.upload_from_file(
                file, size=path.stat().st_size, content_type="application/octet-stream", checksum="crc32c"
            )
    except GoogleAPICallError as e:
        hint = f"Grant roles/storage.objectUser on the bucket {bucket} to the account in use."
        raise status_error(uri, int(e.code or 500), hint=hint, detail=str(e.message)) from e
    except GoogleAuthError as e:
        raise AccessDenied(f"{uri}: {e} Give Google credentials that may write there.", uri=uri) from e
    except OSError as e:
        raise SourceError(f"{uri}: the upload was interrupted ({e}). Push again.", uri=uri) from e


class _CountedFile(io.FileIO):
    """File that reports the bytes read from it."""

    def __init__(self, path: Path, add: ByteCallback) -> None:
        super().__init__(str(path), "rb")
        self._add = add

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size)
        self._add(len(data))
        return data
