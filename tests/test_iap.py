"""terraform/gcp/iap: Identity-Aware Proxy in front of the service, with the real terraform."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hcl import TERRAFORM
from tests.servers.cloud_run import SIGNED, RunApi, revision_name
from tests.terraform_stub import newer_wrapper
from tests.test_rollout import REPLY, api, rollout
from tests.test_terraform import Deployment, installed, terraform

__all__ = ["api", "installed"]  # fixtures

MEMBERS = '["user:ann@example.com", "group:team@example.com"]'


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory, installed: None) -> Iterator[Path]:
    """Yield a copy of the module for Google Cloud with the files of its folder iap."""
    folder = tmp_path_factory.mktemp("iap")
    wrapper = newer_wrapper(folder)
    if wrapper is None:
        pytest.skip("TERRAFORM_WRAPPER starts no stand-in with a schema.json beside it")
    copy = folder / "gcp"
    shutil.copytree(
        TERRAFORM / "gcp", copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfvars", "*tfstate*", "tests")
    )
    for path in (copy / "iap").glob("*.tf"):  # the documented command
        shutil.copy(path, copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERRAFORM_WRAPPER", wrapper)
        done = terraform(copy, "init", "-backend=false", "-input=false", "-no-color")
        assert done.returncode == 0, done.stderr
        yield copy


@pytest.fixture
def deployment(module: Path, tmp_path: Path) -> Deployment:
    return Deployment(module, tmp_path)


def state(deployment: Deployment) -> dict[str, list[dict[str, Any]]]:
    """Return the values of the resources in the state, by the address without an index."""
    done = terraform(deployment.folder, "show", "-json")
    resources: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout).get("values", {}).get("root_module", {}).get("resources", []):
        resources.setdefault(f"{each['type']}.{each['name']}", []).append(each["values"])
    return resources


SERVICE = "google_cloud_run_v2_service.chat"
PEOPLE = "google_iap_web_cloud_run_service_iam_member.member"


def test_files_fit_into_the_module(module: Path) -> None:
    done = terraform(module, "validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_members_log_in_until_the_list_is_empty(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """On, a clean plan, a changed setting, off, a clean plan, and nothing left."""
    monkeypatch.setenv("IAP", "true")
    options = {"iap_members": MEMBERS, "deletion_protection": "false", "force_destroy": "true"}
    deployment.apply(**options)
    resources = state(deployment)
    assert resources[SERVICE][0]["iap_enabled"] is True
    assert resources[SERVICE][0]["invoker_iam_disabled"] is False
    assert {each["member"] for each in resources[PEOPLE]} == set(json.loads(MEMBERS))
    (agent,) = resources["google_cloud_run_v2_service_iam_member.iap"]
    assert agent["role"] == "roles/run.invoker"
    assert agent["member"].startswith("serviceAccount:service-")
    assert agent["member"].endswith("@gcp-sa-iap.iam.gserviceaccount.com")
    assert len(deployment.calls("services identity create --service=iap.googleapis.com")) == 1
    assert len(deployment.calls("Authorization: Bearer JWT")) == 2, "the test of the revision does not log in"
    assert deployment.run("plan", "-detailed-exitcode", **options).returncode == 0

    changed = options | {"env": '{N_CTX="2048"}'}
    deployment.apply(**changed)
    assert state(deployment)[SERVICE][0]["iap_enabled"] is True

    monkeypatch.setenv("IAP", "false")
    off = changed | {"iap_members": "[]"}
    deployment.apply(**off)
    resources = state(deployment)
    assert resources[SERVICE][0]["iap_enabled"] is False
    assert not [address for address in resources if "iap" in address]
    assert deployment.run("plan", "-detailed-exitcode", **off).returncode == 0
    done = deployment.run("destroy", "-auto-approve", **off)
    assert done.returncode == 0, done.stdout + done.stderr
    assert state(deployment) == {}


@pytest.mark.slow
def test_first_apply_creates_no_grant_without_a_service(deployment: Deployment) -> None:
    deployment.apply(iap_members=MEMBERS, bootstrap="true")
    assert not [address for address in state(deployment) if "iap" in address]


REFUSED = {
    "the login replaces the key": {"api_key_secret": "chat-key"},
    "Choose one": {"access": "api_key", "api_key_secret": "chat-key"},
    "Move them to iap_members": {"invokers": '["user:bob@example.com"]'},
    "Use min_instances": {"warmup_schedule": "*/10 7-18 * * 1-5"},
    "lets in no one without a login": {"iap_members": '["allUsers"]'},
}


@pytest.mark.slow
def test_combinations_that_no_login_reaches_are_refused(deployment: Deployment) -> None:
    for words, options in REFUSED.items():
        plan = deployment.run("plan", **{"iap_members": MEMBERS} | options)
        assert plan.returncode == 1, options
        assert words in " ".join(plan.stderr.replace("│", " ").split()), (options, plan.stderr)


@pytest.mark.slow
def test_revision_is_tested_with_a_signed_token(api: RunApi, tmp_path: Path) -> None:
    """The real gcloud finds Identity-Aware Proxy in the service, and has the claims signed that it requires."""
    api.service["metadata"]["annotations"]["run.googleapis.com/iap-enabled"] = "true"
    done = rollout(api, tmp_path, REPLY)
    assert done.returncode == 0, done.stderr
    assert api.service["spec"]["traffic"] == [{"revisionName": revision_name(2), "percent": 100}]
    assert api.service["metadata"]["annotations"]["run.googleapis.com/iap-enabled"] == "true", (
        "a deployment switches it off"
    )
    assert api.claims["iss"] == api.claims["sub"] == "build@p.iam.gserviceaccount.com"
    assert api.claims["aud"] == "https://candidate---chat-1-ew.a.run.app/*"
    assert api.claims["exp"] - api.claims["iat"] == 3600
    request = (tmp_path / "request").read_text()
    assert f"Authorization: Bearer {SIGNED}" in request
    assert "X-Serverless-Authorization" not in request, "Identity-Aware Proxy sends this header itself"
