"""Steps of cloudbuild.yaml, run in order as Cloud Build does, with fake commands that record their arguments."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
BUILD: dict[str, Any] = yaml.safe_load((ROOT / "cloudbuild.yaml").read_text())
PLATFORMS = {
    "BUILD_ID": "b-1",
    "PROJECT_ID": "p",
    "COMMIT_SHA": "c0ffee",
    "SERVICE_ACCOUNT_EMAIL": "chat-build@p.iam.gserviceaccount.com",
}
DIGEST = "sha256:" + "a" * 64
REPLY = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n'
IMAGE = "eu-docker.pkg.dev/p/chat/chat"
SERVING = f"{IMAGE}@sha256:" + "b" * 64
SUBSTITUTIONS = {"_IMAGE": IMAGE, "_SERVICE": "chat", "_REGION": "europe-west1", "_API_KEY_SECRET": "none"}


class Build:
    """One run of the build: its steps' commands are recorded, and curl answers with ``reply``."""

    def __init__(self, folder: Path, substitutions: Mapping[str, str], reply: str = REPLY, status: int = 0) -> None:
        self.workspace = folder / "workspace"
        (self.workspace / "terraform").mkdir(parents=True)
        (self.workspace / "terraform" / "gcp").symlink_to(ROOT / "terraform" / "gcp")
        self.calls = folder / "calls"
        self.calls.touch()
        (folder / "reply").write_text(reply)
        (folder / "metadata").write_text(f'{{\n  "containerimage.digest": "{DIGEST}"\n}}\n')
        self._bin = folder / "bin"
        self._bin.mkdir()
        self._fake("docker", f'case "$*" in *--metadata*) cp {folder}/metadata {self.workspace}/metadata.json;; esac')
        self._fake(
            "gcloud",
            f'case "$*" in *describe*image*) echo {SERVING};; *RevisionName*) echo chat-00002-abc;; '
            "*status.url*) echo https://chat-1-ew.a.run.app;; "
            "*print-identity-token*) echo TOKEN;; *secrets*) echo KEY;; esac",
        )
        self._fake("curl", f"cat {folder}/reply; exit {status}")
        self._values = {**BUILD["substitutions"], **substitutions, **PLATFORMS}
        self.failed: str | None = None
        for step in BUILD["steps"]:
            if self._run(step).returncode:
                self.failed = step["id"]
                break

    def called(self, *words: str) -> list[str]:
        """Return the calls that contain all of these words."""
        return [line for line in self.calls.read_text().split("\0") if all(word in line for word in words)]

    def _fake(self, name: str, answer: str) -> None:
        path = self._bin / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\0" "{name} $*" >> {self.calls}\n{answer}\n')
        path.chmod(0o755)

    def _run(self, step: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        args = [fill(argument, self._values).replace("/workspace", str(self.workspace)) for argument in step["args"]]
        environment = {"PATH": f"{self._bin}:{os.environ['PATH']}"}
        command = [step["entrypoint"], *args]
        return subprocess.run(command, cwd=self.workspace, env=environment, capture_output=True, text=True, check=False)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace $NAME, ${NAME} and $$ as Cloud Build does. Raise KeyError for an unknown name."""
    return re.sub(
        r"\$(?:(\$)|\{([A-Z_][A-Z0-9_]*)\}|([A-Z_][A-Z0-9_]*))", lambda m: "$" if m[1] else values[m[2] or m[3]], text
    )


def test_substitutions_are_declared_and_used() -> None:
    used: set[str] = set()
    for step in BUILD["steps"]:
        for argument in step["args"]:
            used |= {a or b for a, b in re.findall(r"(?<!\$)\$(?:\{([A-Z_]+)\}|([A-Z_]+))", argument)}
    assert used - set(PLATFORMS) == set(BUILD["substitutions"])


def test_terraform_sets_every_substitution() -> None:
    output = (ROOT / "terraform/gcp/outputs.tf").read_text()
    options = re.search(r"(?s)--substitutions=(.+?)\]\)", output)
    assert options is not None
    assert set(re.findall(r'"(_[A-Z_]+)=', options[1])) == set(BUILD["substitutions"])


def test_steps_are_valid_shell() -> None:
    for step in BUILD["steps"]:
        assert step["entrypoint"] == "bash"
        script = fill(step["args"][-1], BUILD["substitutions"] | PLATFORMS)
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert done.returncode == 0, (step["id"], done.stderr)


def test_build_deploys_without_traffic_then_smoke_tests_then_moves_traffic(tmp_path: Path) -> None:
    build = Build(tmp_path, SUBSTITUTIONS)
    assert build.failed is None
    (deploy,) = build.called("run deploy")
    assert f"--image={IMAGE}@{DIGEST}" in deploy
    assert "--no-traffic" in deploy
    calls = build.calls.read_text()
    steps = (
        "pytest",
        "--push",
        "run deploy",
        "--update-tags=candidate=chat-00002-abc",
        "curl",
        "--to-revisions=chat-00002-abc=100",
    )
    order = [calls.index(what) for what in steps]
    assert order == sorted(order)


def test_build_leaves_the_revision_unnamed(tmp_path: Path) -> None:
    """gcloud writes a revision's name into the service only for these options; each later plan would remove it."""
    for deploy in Build(tmp_path, SUBSTITUTIONS).called("run deploy"):
        assert "--tag" not in deploy
        assert "--revision-suffix" not in deploy


def test_smoke_test_sends_a_token_for_the_service(tmp_path: Path) -> None:
    build = Build(tmp_path, SUBSTITUTIONS)
    (request,) = build.called("curl")
    assert "https://candidate---chat-1-ew.a.run.app/v1/chat/completions" in request
    assert "X-Serverless-Authorization: Bearer TOKEN" in request
    (token,) = build.called("print-identity-token")
    assert "--audiences=https://chat-1-ew.a.run.app" in token
    assert f"--impersonate-service-account={PLATFORMS['SERVICE_ACCOUNT_EMAIL']}" in token


def test_smoke_test_sends_the_key(tmp_path: Path) -> None:
    build = Build(tmp_path, SUBSTITUTIONS | {"_API_KEY_SECRET": "chat-key"})
    (request,) = build.called("curl")
    assert "--header Authorization: Bearer KEY" in request


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        pytest.param("", 22, id="rejected"),
        pytest.param(REPLY.replace("data: [DONE]\n\n", ""), 0, id="cut off"),
        pytest.param('data: {"choices":[{"delta":{"content":""}}]}\n\ndata: [DONE]\n\n', 0, id="empty"),
        pytest.param('event: error\ndata: {"error":{"message":"no"}}\n\n', 0, id="an error"),
    ],
)
def test_failed_smoke_test_restores_the_serving_image(tmp_path: Path, reply: str, status: int) -> None:
    build = Build(tmp_path, SUBSTITUTIONS, reply, status)
    assert build.failed == "deploy"
    assert build.called("run deploy", f"--image={SERVING}", "--no-traffic")
    assert not build.called("--to-revisions"), "the failed revision serves"
    assert build.called("update-traffic", "--remove-tags=candidate")


def test_successful_build_removes_the_candidates_tag(tmp_path: Path) -> None:
    """A tagged revision keeps its minimum of instances."""
    *_, traffic = Build(tmp_path, SUBSTITUTIONS).called("update-traffic")
    assert "--to-revisions=chat-00002-abc=100" in traffic
    assert "--remove-tags=candidate" in traffic


def test_build_arguments_reach_the_image(tmp_path: Path) -> None:
    values = {"_CUDA": "12-6", "_MODEL": "models/m.gguf", "_REVISION": "c0ffee"}
    (push,) = Build(tmp_path, SUBSTITUTIONS | values).called("docker", "--push")
    for argument in ("CUDA=12-6", "MODEL=models/m.gguf", "REVISION=c0ffee"):
        assert f"--build-arg {argument}" in push


def test_image_gets_the_default_model_unless_another_is_named(tmp_path: Path) -> None:
    (push,) = Build(tmp_path, SUBSTITUTIONS).called("docker", "--push")
    assert "--build-arg MODEL= " in push


def test_images_come_from_a_mirror(tmp_path: Path) -> None:
    build = Build(tmp_path, SUBSTITUTIONS)
    (create,) = build.called("buildx create")
    assert "image=mirror.gcr.io/" in create
    assert 'mirrors = ["mirror.gcr.io"]' in (build.workspace / "buildkitd.toml").read_text()


def test_build_without_a_service_only_pushes(tmp_path: Path) -> None:
    build = Build(tmp_path, SUBSTITUTIONS | {"_SERVICE": "none"})
    assert build.failed is None
    assert build.called("docker", "--push")
    assert not build.called("gcloud")
    assert not build.called("curl")


@pytest.mark.slow
def test_upload_has_a_model_to_bake_in_and_no_private_files(tmp_path: Path) -> None:
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    shutil.copy(ROOT / ".gcloudignore", tmp_path)
    wanted = {"Dockerfile", "models/m.gguf", "terraform/gcp/rollout.sh", "terraform/gcp/.terraform.lock.hcl"}
    private = {
        "terraform/gcp/terraform.tfvars",
        "terraform/gcp/terraform.tfstate",
        ".env",
        ".git/config",
        ".venv/bin/python",
    }
    for name in wanted | private:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    command = ["gcloud", "meta", "list-files-for-upload", str(tmp_path)]
    environment = os.environ | {
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    uploaded = set(done.stdout.split())
    assert wanted <= uploaded
    assert not private & uploaded
