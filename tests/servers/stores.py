"""S3 server and GCS emulator, each with a bucket, filled through the providers' own SDKs."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.process import free_port, running

BUCKET = "models"


@dataclass(frozen=True, slots=True)
class Store:
    """Running store: its address, and the environment variables that point a program at it."""

    scheme: str
    url: str
    env: Mapping[str, str] = field(default_factory=dict)

    def uri(self, name: str) -> str:
        return f"{self.scheme}://{BUCKET}/{name}"

    def put(self, name: str, data: bytes) -> str:
        """Store an object and return its URI."""
        if self.scheme == "s3":
            s3_client(self).put_object(Bucket=BUCKET, Key=name, Body=data, ChecksumAlgorithm="CRC64NVME")
        else:
            gcs_bucket(self).blob(name).upload_from_string(data, content_type="application/octet-stream")
        return self.uri(name)


def s3_client(store: Store):  # type: ignore[no-untyped-def]  # boto3's clients are made at run time
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=store.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def gcs_bucket(store: Store):  # type: ignore[no-untyped-def]  # the SDK ships no types
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    client = storage.Client("test", credentials=AnonymousCredentials(), client_options={"api_endpoint": store.url})
    return client.bucket(BUCKET)


@contextlib.contextmanager
def s3_store(log: Path) -> Iterator[Store]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, log) as server:
        url = server.url
        env = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        store = Store("s3", url, env)
        s3_client(store).create_bucket(Bucket=BUCKET)
        yield store


@contextlib.contextmanager
def gcs_store(log: Path) -> Iterator[Store]:
    port = free_port()
    command = [
        sys.executable, "-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={port}",
        f"--default-bucket={BUCKET}", "--in-memory",
    ]  # fmt: skip
    with running(command, port, log, {**os.environ, "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}"}) as server:
        yield Store("gs", server.url, {"STORAGE_EMULATOR_HOST": server.url})
