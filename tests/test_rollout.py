"""terraform/gcp/rollout.sh with the real gcloud, and terraform/aws/smoke.sh with an emulated Lambda."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.servers.cloud_run import RunApi, gcloud_settings, revision_name, run_api
from tests.servers.doors import ServedFunction
from tests.servers.lambdas import INVOKE, adapted, emulated

ROOT = Path(__file__).parent.parent
IMAGE = "new@sha256:" + "a" * 64
REPLY = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n'


def run(command: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def fake(folder: Path, name: str, script: str) -> str:
    """Write a command and return a PATH that finds it first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def api() -> Iterator[RunApi]:
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    with run_api() as server:
        yield server


def rollout(api: RunApi, tmp_path: Path, reply: str) -> subprocess.CompletedProcess[str]:
    """Roll out a new image, whose revision answers with ``reply``."""
    (tmp_path / "reply").write_text(reply)
    path = fake(tmp_path / "bin", "curl", f'echo "$*" >> {tmp_path}/request; cat {tmp_path}/reply')
    environment = gcloud_settings(api, str(tmp_path / "gcloud")) | {"PATH": path}
    service = {
        "IMAGE": IMAGE,
        "SERVICE": "chat",
        "PROJECT": "p",
        "REGION": "europe-west1",
        "ACCOUNT": "build@p.iam.gserviceaccount.com",
        "IMPERSONATE": "true",
    }
    return run(["sh", "terraform/gcp/rollout.sh"], environment | service)


@pytest.mark.slow
def test_new_revision_gets_all_traffic_after_its_reply(api: RunApi, tmp_path: Path) -> None:
    """The template gets no name of a revision: Terraform's next plan would remove it, and start another revision."""
    done = rollout(api, tmp_path, REPLY)
    assert done.returncode == 0, done.stderr
    deployed, tagged, moved = api.writes
    assert deployed["spec"]["traffic"] == [{"revisionName": revision_name(1), "percent": 100}]
    assert {"revisionName": revision_name(2), "tag": "candidate"} in tagged["spec"]["traffic"]
    assert moved["spec"]["traffic"] == [{"revisionName": revision_name(2), "percent": 100}]
    assert not any("name" in sent["spec"]["template"].get("metadata", {}) for sent in api.writes)
    assert api.service["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


@pytest.mark.slow
def test_revision_without_a_reply_gets_no_traffic(api: RunApi, tmp_path: Path) -> None:
    done = rollout(api, tmp_path, "event: error\n\n")
    assert done.returncode != 0
    assert "serves the same revision as before" in done.stderr
    assert api.service["spec"]["traffic"] == [{"revisionName": revision_name(1), "percent": 100}]
    (container,) = api.service["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("old@"), "the next apply would deploy the image that failed"


LAMBDA = """
case "$*" in
  *get-function*) echo registry/chat@old ;;
  *update-function-code*--publish*) echo 8 ;;
  *"lambda invoke"*) for last; do :; done; echo "{\\"first_token\\": $TOKEN}" > "$last" ;;
esac
echo "$*" >> "$CALLS\""""


def publish(folder: Path, token: str) -> tuple[int, list[str]]:
    """Deploy an image to Lambda; return the status, and the calls of the AWS CLI. ``token``: if the version has one."""
    path = fake(folder / "bin", "aws", LAMBDA)
    names = {"FUNCTION": "chat", "REGION": "eu-central-1", "TIMEOUT_SECONDS": "60", "IMAGE": "registry/chat@new"}
    done = run(
        ["sh", "terraform/aws/deploy.sh"], names | {"PATH": path, "TOKEN": token, "CALLS": str(folder / "calls")}
    )
    return done.returncode, (folder / "calls").read_text().splitlines()


def test_alias_moves_after_the_versions_first_token(tmp_path: Path) -> None:
    status, calls = publish(tmp_path, "true")
    assert status == 0
    assert "--qualifier 8" in next(call for call in calls if "lambda invoke" in call)
    assert calls[-2].endswith(
        "update-alias --region eu-central-1 --function-name chat --name live --function-version 8"
    )


def test_version_without_a_token_is_undone(tmp_path: Path) -> None:
    status, calls = publish(tmp_path, "false")
    assert status == 1
    assert not any("update-alias" in call for call in calls)
    assert "--image-uri registry/chat@old" in calls[-2]
    assert "delete-function" in calls[-1]
    assert "--qualifier 8" in calls[-1], "the function itself would be deleted"


VERSIONS = """
case "$*" in
  *get-function-configuration*) echo "$APPLY_ON" ;;
  *get-alias*) echo 10 ;;
  *list-versions*) printf '$LATEST\\t2\\t9\\t10\\t1\\t11\\n' ;;
  *delete-function*"--qualifier 1") exit 1 ;;
esac
echo "$*" >> "$CALLS\""""


@pytest.mark.parametrize(("apply_on", "deleted"), [("PublishedVersions", ["1", "2"]), ("None", [])])
def test_old_versions_are_deleted_where_their_copies_are_billed(
    apply_on: str, deleted: list[str], tmp_path: Path
) -> None:
    """The version before the live one may still be replying; later ones are being published."""
    path, calls = fake(tmp_path / "bin", "aws", VERSIONS), tmp_path / "calls"
    names = {"FUNCTION": "chat", "REGION": "eu-central-1", "APPLY_ON": apply_on, "CALLS": str(calls)}
    done = run(["sh", "terraform/aws/clean.sh"], names | {"PATH": path})
    assert done.returncode == 0, done.stderr
    assert re.findall(r"delete-function .* --qualifier (\d+)", calls.read_text()) == deleted[1:]
    assert done.stderr.count("Delete version 1 of chat yourself") == len(deleted[:1])


AWS = """case "$*" in *"lambda invoke"*) for last; do :; done
exec curl --silent --data '{"source": "smoke"}' "$URL" > "$last";; esac"""


def smoke(function: ServedFunction, folder: Path) -> subprocess.CompletedProcess[str]:
    path = fake(folder / "bin", "aws", AWS)
    names = {"FUNCTION": "chat", "VERSION": "7", "REGION": "eu-central-1", "TIMEOUT_SECONDS": "60"}
    return run(["sh", "terraform/aws/smoke.sh"], names | {"PATH": path, "URL": function.url + INVOKE})


def test_version_that_produces_a_token_passes_its_smoke_test(tmp_path: Path, tiny_model: Path) -> None:
    with emulated(tmp_path, adapted(), "--timeout", "60", MODEL_URI=str(tiny_model)) as function:
        done = smoke(function, tmp_path)
        assert done.returncode == 0, done.stderr


def test_version_without_its_model_fails_its_smoke_test(tmp_path: Path) -> None:
    with emulated(tmp_path, adapted(), "--timeout", "60", MODEL_URI="/no/such/model.gguf") as function:
        done = smoke(function, tmp_path)
        assert done.returncode == 1
        assert "Version 7 of chat produces no token" in done.stderr
