"""Both Terraform root modules, tested with the real terraform.

TERRAFORM_WRAPPER is a command that precedes `terraform`, for machines that cannot reach a provider registry. It
supplies the providers, or stand-ins with their schemas. Without it, `terraform init` downloads them; if that fails, the
tests that need them are skipped.
"""

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from function.settings import Settings, Telemetry
from tests.hcl import ROOTS, TERRAFORM, blocks, strings

SETTINGS = {field.name.upper() for field in fields(Settings)}
each_root = pytest.mark.parametrize("root", ROOTS)


def terraform(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    wrapper = shlex.split(os.environ.get("TERRAFORM_WRAPPER", ""))
    command = [*wrapper, "terraform", f"-chdir={root}", *arguments]
    environment = os.environ | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="module")
def installed() -> None:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not installed")


@pytest.fixture(scope="module", params=ROOTS)
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, installed: None) -> Path:
    """Return a copy of one root module with its providers; it cannot read files outside."""
    copy = tmp_path_factory.mktemp("terraform") / str(request.param)
    shutil.copytree(
        TERRAFORM / request.param, copy, ignore=shutil.ignore_patterns(".terraform*", "*.tfvars", "*tfstate*")
    )
    done = terraform(copy, "init", "-backend=false", "-input=false", "-no-color")
    if done.returncode and not os.environ.get("TERRAFORM_WRAPPER"):
        pytest.skip(f"TERRAFORM_WRAPPER is not set and the providers cannot be downloaded: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    return copy


def test_files_are_formatted(installed: None) -> None:
    done = terraform(TERRAFORM, "fmt", "-check", "-diff", "-recursive")
    assert done.returncode == 0, done.stdout + done.stderr


def test_module_is_valid(module: Path) -> None:
    done = terraform(module, "validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


def test_module_tests_pass(module: Path) -> None:
    done = terraform(module, "test", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed, 0 failed", done.stdout)
    written = sum(path.read_text().count("\nrun ") for path in (module / "tests").glob("*.tftest.hcl"))
    assert passed is not None and int(passed[1]) == written


@each_root
def test_variables_have_descriptions_and_validations(root: str) -> None:
    for variable in blocks(root, "variable"):
        name = variable.labels[0]
        assert variable.text("description").endswith("."), name
        kind = variable.argument("type")
        assert kind, name
        assert kind == "bool" or "validation {" in variable.body, name


@each_root
def test_outputs_have_descriptions(root: str) -> None:
    assert all(output.text("description").endswith(".") for output in blocks(root, "output"))


def test_variables_have_the_same_names_in_both_modules() -> None:
    gcp, aws = ({variable.labels[0] for variable in blocks(root, "variable")} for root in ROOTS)
    assert gcp - aws == {"project", "cpu", "gpu", "api_key_secret"}
    assert aws - gcp == {"architecture", "api_key_parameter"}


@each_root
def test_versions_are_bounded(root: str) -> None:
    (terraform_block,) = blocks(root, "terraform")
    versions = re.findall(r'version\s+= "([^"]+)"', terraform_block.body)
    assert len(versions) == 2
    assert all(">=" in version and "<" in version for version in versions)


@each_root
def test_modules_read_no_outside_files(root: str) -> None:
    for path in (TERRAFORM / root).rglob("*.*"):
        if ".terraform" not in path.parts:
            assert not re.search(r"\.\./|\b(file|templatefile|fileset|filebase64)\(", path.read_text()), path


@each_root
def test_module_lists_every_setting(root: str) -> None:
    assert strings(root, "settings") == SETTINGS
    assert strings(root, "bound_settings") <= SETTINGS


@each_root
def test_bound_settings_are_set_or_fixed_by_the_platform(root: str) -> None:
    """Settings that `env` rejects come from a variable, a secret or the platform."""
    text = "".join(path.read_text() for path in (TERRAFORM / root).glob("*.tf") if path.name != "variables.tf")
    assigned = set(re.findall(r'(?m)^\s+(?:name = ")?([A-Z][A-Z0-9_]+)(?:"$|\s+= )', text))
    assigned = {name for name in assigned if not name.startswith("AWS_LWA_")} - {
        f.name.upper() for f in fields(Telemetry)
    }
    platforms = {"gcp": {"PORT", "API_KEY_PARAMETER"}, "aws": {"PORT", "API_KEY", "MODEL_CACHE_DIR", "N_GPU_LAYERS"}}
    assert assigned == strings(root, "bound_settings") - platforms[root]


@each_root
def test_example_sets_existing_variables(root: str) -> None:
    text = (TERRAFORM / root / "terraform.tfvars.example").read_text()
    names = set(re.findall(r"(?m)^(?:# )?([a-z_]+)\s+= ", text))
    variables = {variable.labels[0]: variable for variable in blocks(root, "variable")}
    required = {name for name, variable in variables.items() if variable.argument("default") is None}
    assert names <= set(variables)
    assert required == set(re.findall(r"(?m)^([a-z_]+)\s+= ", text))


def test_example_can_be_planned(module: Path) -> None:
    """Plan with every line of the example uncommented."""
    text = (module / "terraform.tfvars.example").read_text()
    (module / "example.tfvars").write_text(re.sub(r"(?m)^# ([a-z_]+\s+= )", r"\1", text))
    if not os.environ.get("TERRAFORM_WRAPPER"):
        pytest.skip("TERRAFORM_WRAPPER is not set: a plan would ask the cloud")
    (module / "llama.gguf").write_bytes(b"GGUF")
    done = terraform(
        module, "plan", "-no-color", "-input=false", "-var-file=example.tfvars", f"-var=model_file={module}/llama.gguf"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 to change, 0 to destroy" in done.stdout
