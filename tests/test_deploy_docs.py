"""docs/deploy.md and the Knative service, compared with Terraform, the Dockerfile and the settings."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from function.settings import Settings
from tests.hcl import ROOTS, blocks

ROOT = Path(__file__).parent.parent
DOCS = (ROOT / "docs" / "deploy.md").read_text()
each_root = pytest.mark.parametrize("root", ROOTS)


def section(root: str) -> str:
    """Return the section of the document with a root module's variables and outputs."""
    return re.split(r"\n##+ ", DOCS.split(f"\n### terraform/{root}\n")[1])[0]


def variable_rows(root: str) -> list[str]:
    """Return the expected table of variables: name, default, description."""
    rows = ["| variable | default | |", "|---|---|---|"]
    for variable in blocks(root, "variable"):
        default = variable.argument("default")
        shown = "required" if default is None else f"`{default}`"
        rows.append(f"| `{variable.labels[0]}` | {shown} | {variable.text('description')} |")
    return rows


def output_rows(root: str) -> list[str]:
    """Return the expected table of outputs: name, description."""
    return [f"| `{output.labels[0]}` | {output.text('description')} |" for output in blocks(root, "output")]


@each_root
def test_tables_match_the_modules(root: str) -> None:
    listed = [line for line in section(root).splitlines() if line.startswith("|")]
    assert listed == [*variable_rows(root), "| output | |", "|---|---|", *output_rows(root)]


@each_root
def test_deploying_takes_at_most_four_commands(root: str) -> None:
    deploy = next(part for part in DOCS.split("\n## ") if f"terraform -chdir=terraform/{root} init" in part)
    commands = deploy.split("```sh\n")[1].split("```")[0].splitlines()
    assert 1 <= len(commands) <= 4
    outputs = {output.labels[0] for output in blocks(root, "output")}
    assert set(re.findall(r"output -raw (\w+)", "\n".join(commands))) <= outputs


def test_calls_need_no_new_curl() -> None:
    """curl 7.81, which Ubuntu 22.04 has, rejects the option --json."""
    outputs = "".join((ROOT / "terraform" / root / "outputs.tf").read_text() for root in ROOTS)
    assert "curl " in outputs
    assert "--json" not in outputs + DOCS


def test_build_arguments_match_the_dockerfile() -> None:
    table = DOCS.split("| build argument | |")[1].split("\n\n")[0]
    listed = {name for row in re.findall(r"(?m)^\| (.+?) \|", table) for name in re.findall(r"`([A-Z_]+)`", row)}
    assert listed == set(re.findall(r"(?m)^ARG ([A-Z_]+)", (ROOT / "Dockerfile").read_text()))


def test_text_names_existing_variables() -> None:
    assigned = set(re.findall(r"`([a-z_]+) = ", DOCS)) | set(re.findall(r"-var ([a-z_]+)=", DOCS))
    assert assigned <= {variable.labels[0] for root in ROOTS for variable in blocks(root, "variable")}


@pytest.fixture(scope="module")
def knative() -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((ROOT / "infra" / "service.yaml").read_text())
    return service["spec"]["template"]  # type: ignore[no-any-return]  # YAML has no types


KUBERNETES = ROOT / "infra" / "kubernetes"


def manifests(name: str) -> list[dict[str, Any]]:
    """Return the objects of a file in infra/kubernetes."""
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


@pytest.mark.parametrize("name", ["deployment.yaml", "hpa.yaml"])
def test_kubernetes_manifests_match_the_api(name: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for manifest in manifests(name):
        validator.validate(manifest, validator.latest_version(), strict=True)


def test_kubernetes_deployment_sets_existing_settings() -> None:
    (container,) = manifests("deployment.yaml")[0]["spec"]["template"]["spec"]["containers"]
    assert {variable["name"] for variable in container["env"]} <= {field.name.upper() for field in fields(Settings)}
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_kubernetes_scalers_name_the_deployment() -> None:
    deployment, service, budget = manifests("deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"]
    assert "replicas" not in deployment["spec"], "each apply would undo the autoscaler's decision"
    for name in ("hpa.yaml", "keda.yaml"):
        (scaler,) = manifests(name)
        assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_keda_counts_metrics_of_the_function() -> None:
    (scaler,) = manifests("keda.yaml")
    (trigger,) = scaler["spec"]["triggers"]
    metrics = set(re.findall(r"chat_\w+", trigger["metadata"]["query"]))
    source = (ROOT / "function" / "web" / "routes" / "metrics.py").read_text()
    assert metrics == {"chat_queue", "chat_running"}
    assert all(f'"{metric}"' in source for metric in metrics)


def test_azure_app_sets_existing_settings() -> None:
    text = (ROOT / "infra" / "azure" / "main.tf").read_text()
    names = set(re.findall(r"\b([A-Z][A-Z_]+) += [tv]", text)) | set(re.findall(r'name += "([A-Z_]+)"', text))
    assert {"REQUEST_TIMEOUT", "MODEL_URI", "API_KEY"} == names <= {field.name.upper() for field in fields(Settings)}


def test_knative_service_sets_existing_settings(knative: dict[str, Any]) -> None:
    names = {variable["name"] for variable in knative["spec"]["containers"][0]["env"]}
    assert names <= {field.name.upper() for field in fields(Settings)}


def test_knative_service_matches_cloud_run(knative: dict[str, Any]) -> None:
    container = knative["spec"]["containers"][0]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert knative["spec"]["containerConcurrency"] == 1
    assert knative["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "0"
    assert int(environment["REQUEST_TIMEOUT"] or 0) == knative["spec"]["timeoutSeconds"] - 10
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/live"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
