"""A file into a bucket, by the providers' SDKs: parts in parallel and retried, checksummed, compared at the end."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from function.errors import AccessDenied, ChecksumMismatch, ObjectNotFound, SourceError, UnknownScheme
from function.settings import Stores
from function.source import ObjectInfo, open_source
from function.source.base import explain
from function.source.checksum import ALGORITHMS

BUFFER = 1 << 20  # bytes read at a time to checksum the file
GCS_CHUNK = 32 << 20  # bytes of a resumable upload's request: what is sent again after a broken connection
Add = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """What is in the bucket now. ``digest``: the store's checksum, equal to the file's. ``skipped``: was there."""

    size: int
    version: str
    digest: str | None
    skipped: bool


def upload(
    path: Path, uri: str, *, start: Callable[[int], None], add: Add, stores: Stores | None = None
) -> UploadedObject:
    """Store the file under the URI unless exactly that is there. ``start`` hears the size, ``add`` each sent piece.

    Raises SourceError; ChecksumMismatch where the store ends up with other bytes.
    """
    scheme = uri.partition("://")[0]
    if scheme not in ("s3", "gs"):
        raise UnknownScheme(f"{uri}: push stores in gs:// and s3:// buckets.", uri=uri)
    local = open_source(str(path)).describe()
    assert local.size is not None
    start(local.size)
    target = open_source(uri, stores)
    try:
        there = target.describe()
    except (ObjectNotFound, AccessDenied):  # not there, or this account may only write
        there = None
    if there is not None and there.checksums and there.size == local.size and _differs(path, there) is None:
        add(local.size)
        return UploadedObject(local.size, there.version, _digest(there), True)
    bucket, _, name = uri.partition("://")[2].partition("/")
    if scheme == "s3":
        _to_s3(path, uri, bucket, name, add)
    else:
        _to_gcs(path, uri, bucket, name, add)
    stored = open_source(uri, stores).describe()
    differs = _differs(path, stored)
    if stored.size != local.size or differs:
        raise ChecksumMismatch(
            f"{uri}: stored {stored.size} bytes with {differs or 'another size'}, not {local.size}. Push again.",
            uri=uri,
        )
    return UploadedObject(local.size, stored.version, _digest(stored), False)


def _digest(info: ObjectInfo) -> str | None:
    return next((f"{name}:{info.checksums[name]}" for name in ALGORITHMS if name in info.checksums), None)


def _differs(path: Path, info: ObjectInfo) -> str | None:
    """The store's checksum, if the file has another one."""
    for name, algorithm in ALGORITHMS.items():
        if name not in info.checksums:
            continue
        update, check, buffer = algorithm.load(), 0, memoryview(bytearray(BUFFER))
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                check = update(check, buffer[:count])
        return f"{name} {info.checksums[name]}" if algorithm.hex(check) != info.checksums[name] else None
    return None


def _to_s3(path: Path, uri: str, bucket: str, name: str, add: Add) -> None:
    import boto3
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        # The one checksum that S3 always keeps of the whole object, however many parts it came in.
        boto3.client("s3").upload_file(
            str(path), bucket, name, ExtraArgs={"ChecksumAlgorithm": "CRC64NVME"}, Callback=add
        )
    except (ClientError, S3UploadFailedError) as e:
        response: Any = getattr(e if isinstance(e, ClientError) else e.__context__, "response", {})
        status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500))
        hint = f"Allow s3:PutObject on arn:aws:s3:::{bucket}/{name} for the AWS credentials in use."
        raise explain(uri, status, hint=hint, detail=str(e)) from e
    except BotoCoreError as e:
        raise AccessDenied(f"{uri}: {e}. Give AWS credentials that may write there.", uri=uri) from e


def _to_gcs(path: Path, uri: str, bucket: str, name: str, add: Add) -> None:
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import storage

    try:
        blob = storage.Client().bucket(bucket).blob(name, chunk_size=GCS_CHUNK)
        with _Counted(path, add) as file:
            blob.upload_from_file(
                file, size=path.stat().st_size, content_type="application/octet-stream", checksum="crc32c"
            )
    except GoogleAPICallError as e:
        hint = f"Grant roles/storage.objectUser on the bucket {bucket} to the account in use."
        raise explain(uri, int(e.code or 500), hint=hint, detail=str(e.message)) from e
    except GoogleAuthError as e:
        raise AccessDenied(f"{uri}: {e} Give Google credentials that may write there.", uri=uri) from e
    except OSError as e:
        raise SourceError(f"{uri}: the upload broke off ({e}). Push again.", uri=uri) from e


class _Counted(io.FileIO):
    """A file that tells how much of it is read."""

    def __init__(self, path: Path, add: Add) -> None:
        super().__init__(str(path), "rb")
        self._add = add

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size)
        self._add(len(data))
        return data
