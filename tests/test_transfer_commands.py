"""``python -m function fetch`` and ``push``, run as by a user."""

import hashlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from function.__main__ import COMMANDS
from tests.servers.faulty import FaultyStore
from tests.servers.stores import Store
from tests.split_model import split

DATA = random.Random(1).randbytes(20_000_000)  # large enough for the SDKs to upload it in parts


def function(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "function", *arguments]
    home = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(command, env=home | (env or {}), capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_pushed_file_is_fetched(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store: Store = request.getfixturevalue(kind)
    (tmp_path / "model.gguf").write_bytes(DATA)
    uri = store.uri("pushed/")
    pushed = function("push", str(tmp_path / "model.gguf"), uri, "--json", env=dict(store.env))
    assert pushed.returncode == 0, pushed.stderr
    report = json.loads(pushed.stdout)
    assert (report["uri"], report["size"], report["skipped"]) == (f"{uri}model.gguf", len(DATA), False)
    assert report["digest"].startswith("crc")
    again = function("push", str(tmp_path / "model.gguf"), uri, "--json", env=dict(store.env))
    assert json.loads(again.stdout)["skipped"]
    target = tmp_path / "there" / "copy.gguf"
    target.parent.mkdir()
    fetched = function("fetch", f"{uri}model.gguf", "--to", str(target), "--json", env=dict(store.env))
    assert fetched.returncode == 0, fetched.stderr
    assert target.read_bytes() == DATA
    assert list(target.parent.iterdir()) == [target]
    report = json.loads(fetched.stdout)
    assert report["digest"] == json.loads(pushed.stdout)["digest"]
    assert report["path"] == str(target)
    assert "100% of 20 MB" in fetched.stderr


def test_fetch_fills_the_cache_and_uses_it_again(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        first, second = (function("fetch", store.uri("http"), "--cache-dir", str(tmp_path)) for _ in range(2))
    assert "unverified" in first.stdout
    assert "was there already" in second.stdout
    assert Path(second.stdout.partition(": ")[0]).read_bytes() == DATA


def test_fetch_to_a_folder_keeps_a_long_name(tmp_path: Path) -> None:
    name = "x" * 250
    with FaultyStore(DATA) as store:
        outcome = function("fetch", store.uri("http", name), "--to", str(tmp_path))
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / name).read_bytes() == DATA


def test_fetch_with_a_wrong_hash_is_an_error(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        arguments = ("fetch", store.uri("http"), "--cache-dir", str(tmp_path), "--json")
        wrong = function(*arguments, "--sha256", "0" * 64)
        right = function(*arguments, "--sha256", hashlib.sha256(DATA).hexdigest())
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout)["error"]["code"] == "checksum_mismatch"
    assert json.loads(right.stdout)["verified"]


def test_fetch_shows_no_query_and_ends_with_the_mean_rate(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        outcome = function("fetch", f"{store.uri('http')}?X-Amz-Signature=S3CR3T", "--cache-dir", str(tmp_path))
    assert outcome.returncode == 0, outcome.stderr
    assert "S3CR3T" not in outcome.stdout + outcome.stderr
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("model.gguf 100% of 20 MB in ")
    assert last.endswith("MB/s")


def test_fetch_with_a_malformed_hash_sends_no_request(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        outcome = function("fetch", store.uri("http"), "--cache-dir", str(tmp_path), "--sha256", "12x")
        assert store.connections == 0
    assert outcome.returncode == 2
    assert "'12x' is not 64 hexadecimal digits" in outcome.stderr


def test_push_and_plan_of_a_split_model_take_all_its_files(s3: Store, tmp_path: Path, tiny_model: Path) -> None:
    parts = split(tiny_model, tmp_path, 8)
    pushed = function("push", str(parts[0]), s3.uri("split/"), "--json", env=dict(s3.env))
    assert pushed.returncode == 0, pushed.stderr
    found = json.loads(pushed.stdout)
    assert [part["uri"] for part in found["parts"]] == [s3.uri(f"split/{part.name}") for part in parts]
    assert [part["size"] for part in found["parts"]] == [part.stat().st_size for part in parts]
    planned = function("plan", found["uri"], "--json", env=dict(s3.env))
    assert json.loads(planned.stdout)["chosen"]["weights"] == sum(part.stat().st_size for part in parts)
    refused = function("push", str(parts[0]), s3.uri("one.gguf"), env=dict(s3.env))
    assert f"is one of {len(parts)} files. End the URI with a /." in refused.stderr


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_push_to_a_missing_bucket_is_an_error(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store: Store = request.getfixturevalue(kind)
    (tmp_path / "model.gguf").write_bytes(b"small")
    pushed = function("push", str(tmp_path / "model.gguf"), f"{store.scheme}://missing/model.gguf", env=dict(store.env))
    assert pushed.returncode == 1
    assert f"{store.scheme}://missing/model.gguf: no such object or bucket" in pushed.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fetch", "s3://bucket"), "s3://bucket/key"),
        (("fetch", "/nonexistent/model.gguf"), "no such file"),
        (("push", "/nonexistent/model.gguf", "s3://b/k"), "no such file"),
        (("push", __file__, "https://host/x"), "gs:// and s3://"),
    ],
)
def test_mistake_is_one_error_message(arguments: tuple[str, ...], message: str) -> None:
    outcome = function(*arguments)
    assert outcome.returncode == 1
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_commands_are_listed_without_a_command() -> None:
    outcome = function()
    assert outcome.returncode == 2
    assert "push" in outcome.stderr
    assert function("--help").returncode == 0


def test_fetch_imports_no_engine_no_web_and_no_sdk(tmp_path: Path) -> None:
    code = (
        "import sys, function.fetch as f, pathlib\nfrom function.settings import Stores\n"
        "f.fetch(sys.argv[1], cache=pathlib.Path(sys.argv[2]), stores=eval(sys.argv[3]))\n"
        "heavy = {'flask', 'pydantic', 'llama_cpp', 'numpy', 'boto3', 'botocore', 'google.auth', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    with FaultyStore(DATA) as store:
        command = [sys.executable, "-c", code, store.uri("s3"), str(tmp_path), repr(store.stores)]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert outcome.stdout == "[]\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    helped = function(name, "--help").stdout
    assert "--json" in helped or name == "run", "a server has no result to print"
    assert f"python -m function {name}" in helped.partition("\nexamples:\n")[2].splitlines()[0]


def test_plan_uses_custom_prices(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "own.toml").write_text('as_of = "today"\n["Lambda"]\ngib_second = 1\nmillion_requests = 0\n')
    arguments = ("plan", str(tiny_model), "--prices", str(tmp_path / "own.toml"))
    priced = json.loads(function(*arguments, "--reply-seconds", "2", "--json").stdout)["prices"]
    size = next(size for size in priced["sizes"] if size["platform"] == "Lambda")
    assert size["thousand"] == 1000 * 2 * size["memory_mib"] / 1024
    assert "list prices of today" in function(*arguments).stdout


def test_commands_are_documented() -> None:
    text = (Path(__file__).parents[1] / "docs" / "command-line.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    assert {name.strip("`"): meaning for name, meaning in rows} == COMMANDS
