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


def terraform(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    wrapper = shlex.split(os.environ.get("TERRAFORM_WRAPPER", ""))
    command = [*wrapper, "terraform", f"-chdir={root}", *arguments]
    environment = os.environ | {"TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    environment |= {"GOGC": "400"} | variables  # fewer garbage collections: a fifth of the CPU time, for 50 MB
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


def test_azure_file_is_formatted(installed: None) -> None:
    done = terraform(TERRAFORM.parent / "infra" / "azure", "fmt", "-check", "-diff")
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
    assert gcp - aws == {
        "project", "build_region", "cpu", "gpu", "gpu_regions", "api_key_secret", "grant_model_access", "iap_members",
    }  # fmt: skip
    assert aws - gcp == {"architecture", "api_key_parameter", "github_provider_arn", "snapstart"}


@each_root
def test_versions_are_bounded(root: str) -> None:
    (terraform_block,) = blocks(root, "terraform")
    versions = re.findall(r'version\s+= "([^"]+)"', terraform_block.body)
    assert len(versions) == 2
    assert all(">=" in version and "<" in version for version in versions)


@each_root
def test_lock_file_selects_an_allowed_version(root: str) -> None:
    """The checksums are the published ones, `zh`, of each system, and the first one of Linux on amd64, `h1`."""
    (terraform_block,) = blocks(root, "terraform")
    lowest, limit = re.findall(r'(?m)^      version = ">= ([0-9.]+), < ([0-9.]+)"', terraform_block.body)[0]
    text = (TERRAFORM / root / ".terraform.lock.hcl").read_text()
    (selected,) = re.findall(r'version     = "([0-9.]+)"', text)
    numbers = [tuple(int(part) for part in version.split(".")) for version in (lowest, selected, limit)]
    assert numbers == sorted(numbers)
    assert f'constraints = ">= {lowest}.0, < {limit}.0"' in text
    assert f"{root if root == 'aws' else 'google'} {selected}" in (TERRAFORM.parent / "docs" / "deploy.md").read_text()
    checksums = re.findall(r'"(h1:[A-Za-z0-9+/]{43}=|zh:[0-9a-f]{64})"', text)
    assert len(checksums) == len(set(checksums)) == text.count(":") >= 12


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
    files = [path for path in (TERRAFORM / root).glob("*.tf") if path.name not in ("variables.tf", "outputs.tf")]
    text = "".join(path.read_text() for path in files)
    scripts = "".join(path.read_text() for path in (TERRAFORM / root).glob("*.sh"))
    assigned = set(re.findall(r'(?m)^\s+(?:name = ")?([A-Z][A-Z0-9_]+)(?:"$|\s+= )', text))
    assigned = {name for name in assigned if not name.startswith("AWS_LWA_")} - {
        f.name.upper() for f in fields(Telemetry)
    }
    assigned -= set(re.findall(r"\$\{?([A-Z_]+)", scripts)) - SETTINGS  # the scripts' own environment
    assigned -= {"aws": {"MODEL_CACHE"}, "gcp": set()}[root]  # what snapstart needs; env may name it as well
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


REQUIRED = {"gcp": {"project": "my-project-123", "region": "europe-west1"}, "aws": {"region": "eu-central-1"}}


FAKES = {
    "gcloud": """
case "$*" in
  *latestCreatedRevisionName*) echo chat-00002-abc ;;
  *status.url*) echo https://chat-1-ew.a.run.app ;;
  *print-identity-token*) echo TOKEN ;;
  *iap-enabled*) echo "${IAP:-}" ;;
  *sign-jwt*) for last; do :; done; echo JWT > "$last" ;;
esac""",
    "curl": """
unfit && exit 22
printf 'data: {"choices":[{"delta":{"content":"Hello"}}]}\\n\\ndata: [DONE]\\n\\n'""",
    "aws": """
case "$*" in
  *"lambda invoke"*)
    for report; do :; done
    if unfit; then echo '{"first_token": false}'; else echo '{"first_token": true}'; fi > "$report" ;;
esac""",
}
"""Replies of the clouds' commands: a service whose revisions reply unless the file ``unfit`` exists."""


class Deployment:
    """A copy of one root module with a state of its own. The clouds' commands are fakes that record their arguments."""

    def __init__(self, module: Path, folder: Path) -> None:
        if not os.environ.get("TERRAFORM_WRAPPER"):
            pytest.skip("TERRAFORM_WRAPPER is not set: an apply would create resources in the cloud")
        self.root = module.name
        self.folder = folder / module.name
        shutil.copytree(module, self.folder, ignore=shutil.ignore_patterns("*.tfvars", "*tfstate*"))
        self._calls = folder / "calls"
        self._calls.touch()
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.unfit = folder / "unfit"
        """A file whose existence makes every smoke test fail."""
        for name, answer in FAKES.items():
            fake = self._bin / name
            record = f'echo "{name} $* FILE=$file OBJECT=$object" >> {self._calls}'
            fake.write_text(f"#!/bin/sh\n{record}\nunfit() {{ [ -e {self.unfit} ]; }}\n{answer}\n")
            fake.chmod(0o755)
        self.model = folder / "m.gguf"
        self.model.write_bytes(b"GGUF")

    def run(self, command: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one terraform command with the required variables and ``variables``."""
        values = [
            f"-var={name}={value}" for name, value in (REQUIRED[self.root] | variables).items() if value != "null"
        ]
        (self.folder / "null.auto.tfvars").write_text(
            "".join(f"{name} = null\n" for name, value in variables.items() if value == "null")
        )
        path = f"{self._bin}:{os.environ['PATH']}"
        return terraform(self.folder, command, "-no-color", "-input=false", *options, *values, PATH=path)

    def apply(self, **variables: str) -> str:
        """Apply, which must succeed, and return the output."""
        done = self.run("apply", "-auto-approve", **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def uploads(self) -> list[str]:
        """Return the object of each upload, in order."""
        lines = self.calls(" cp ")
        assert all(f"FILE={self.model}" in line for line in lines)
        return [line.partition("OBJECT=")[2] for line in lines]

    def calls(self, words: str) -> list[str]:
        """Return the recorded commands that contain ``words``, in order."""
        return [line for line in self._calls.read_text().splitlines() if words in line]


@pytest.fixture
def deployment(module: Path, tmp_path: Path) -> Deployment:
    return Deployment(module, tmp_path)


SERVICE = {"gcp": "google_cloud_run_v2_service.chat[0]", "aws": "aws_lambda_function.chat[0]"}


def test_documented_flow_ends_with_a_clean_plan_and_nothing_left(deployment: Deployment) -> None:
    model = {"model": "m.gguf", "model_file": str(deployment.model)}
    assert SERVICE[deployment.root] not in deployment.apply(bootstrap="true", **model)
    assert f"{SERVICE[deployment.root]}: Creation complete" in deployment.apply(**model)
    assert deployment.run("plan", "-detailed-exitcode", **model).returncode == 0
    deployment.apply(deletion_protection="false", force_destroy="true", **model)
    done = deployment.run("destroy", "-auto-approve", **model)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(deployment.uploads()) == 1


SMOKE_TEST = {"gcp": "curl ", "aws": "lambda invoke"}


def test_changed_setting_is_smoke_tested_before_it_serves(deployment: Deployment) -> None:
    deployment.apply()
    deployment.unfit.touch()
    done = deployment.run("apply", "-auto-approve", env='{N_CTX="2048"}')
    assert done.returncode != 0
    assert "the same revision as before" in done.stderr or "still calls the version before it" in done.stderr
    assert len(deployment.calls("--to-revisions")) <= 1, "the failed revision serves"
    assert "aws_lambda_alias.live[0]: Modif" not in done.stdout
    deployment.unfit.unlink()
    deployment.apply(env='{N_CTX="2048"}')
    assert len(deployment.calls(SMOKE_TEST[deployment.root])) == 3
    assert deployment.run("plan", "-detailed-exitcode", env='{N_CTX="2048"}').returncode == 0


def test_new_url_calls_nothing_that_failed_its_smoke_test(deployment: Deployment) -> None:
    if deployment.root != "aws":
        pytest.skip("a new Cloud Run service has no other revision to serve")
    deployment.unfit.touch()
    done = deployment.run("apply", "-auto-approve")
    assert done.returncode != 0
    assert "aws_lambda_function_url.chat[0]: Creat" not in done.stdout


def test_plan_without_any_recorded_image_keeps_the_service(deployment: Deployment) -> None:
    deployment.apply()
    plan = deployment.run("plan", "-detailed-exitcode")
    assert plan.returncode == 0, plan.stdout


def test_dropped_or_renamed_model_keeps_every_object(deployment: Deployment) -> None:
    """Terraform only ever uploads: the fakes accept no other command."""
    deployment.apply(model="a.gguf", model_file=str(deployment.model))
    deployment.apply(model="a.gguf")
    deployment.apply(model="b.gguf", model_file=str(deployment.model))
    assert [upload.rpartition("/")[2] for upload in deployment.uploads()] == ["a.gguf", "b.gguf"]


OLD_OBJECT = {
    "gcp": ('resource "google_storage_bucket_object" "model"', {"name": "m.gguf", "source": "m.gguf"}),
    "aws": ('resource "aws_s3_object" "model"', {"key": "m.gguf", "source": "m.gguf"}),
}
"""Model as version 0.1 managed it: its block, and its arguments without the bucket."""


def test_model_of_version_0_1_leaves_the_state_and_stays_in_the_bucket(deployment: Deployment) -> None:
    block, arguments = OLD_OBJECT[deployment.root]
    lines = [f'  {name} = "{value}"' for name, value in arguments.items()]
    bucket = deployment.folder / "bucket.tf"
    current = bucket.read_text()
    old = "\n".join([f"{block} {{", "  bucket = local.old_bucket", *lines, "}", 'locals { old_bucket = "b" }', ""])
    bucket.write_text(current.partition("\n# Version 0.1")[0] + "\n" + old)
    deployment.apply()
    bucket.write_text(current)
    applied = deployment.apply()
    assert "0 destroyed" in applied
    assert "will no longer be managed by Terraform" in applied


def test_machine_without_the_model_file_plans_nothing(deployment: Deployment) -> None:
    model = {"model": "m.gguf", "model_file": str(deployment.model)}
    deployment.apply(**model)
    deployment.model.unlink()
    assert deployment.run("plan", "-detailed-exitcode", **model).returncode == 0


def test_lambda_function_is_not_destroyed_while_it_is_protected(deployment: Deployment) -> None:
    if deployment.root != "aws":
        pytest.skip("Cloud Run's provider has a deletion protection, which the stand-in does not have")
    deployment.apply()
    for command in ("destroy", "apply"):
        done = deployment.run(command, "-auto-approve", bootstrap="true")
        assert done.returncode != 0
        assert "deletion_protection is true" in done.stdout + done.stderr
        assert "aws_lambda_function_url.chat[0]: Destr" not in done.stdout


OPTION_SETS: dict[str, list[dict[str, str]]] = {
    "gcp": [
        {"startup_waits_for": "model"},
        {"access": "api_key", "api_key_secret": "chat-key"},
        {"api_key_secret": "chat-key", "invokers": '["user:ann@example.com"]'},
        {"warmup_schedule": "*/10 7-18 * * 1-5", "alert_emails": '["ann@example.com"]'},
        {"min_instances": "2"},
        {"gpu": "true", "memory_mib": "16384", "baked_model": "models/m.gguf"},
        {"gpu": "true", "memory_mib": "16384", "region": "europe-north1", "gpu_regions": '["europe-north1"]'},
        {"cpu": "8", "memory_mib": "16384", "max_instances": "10"},
        {"model": "m.gguf", "snapshot": "true", "env": '{SYSTEM_PROMPT="Be brief.", N_CTX="4096"}'},
        {"model": "m.gguf", "model_bytes": "1000000000", "model_memory_bytes": "500000000", "name": "talk"},
        {"env": '{MODEL_CACHE="memory"}', "timeout_seconds": "3600", "smoke_test": "false"},
        {"model_uri": "gs://others/m.gguf", "grant_model_access": "false", "force_destroy": "true"},
        {"model_uri": "hf://owner/repository/m.gguf", "baked_model": "none", "build_region": "europe-west1"},
        {"monthly_budget": "20", "alert_emails": '["ann@example.com"]', "labels": '{team="ml"}'},
    ],
    "aws": [
        {"startup_waits_for": "model"},
        {"access": "api_key", "api_key_parameter": "/chat/key"},
        {"api_key_parameter": "/chat/key", "invokers": '["210987654321"]'},
        {"warmup_schedule": "rate(10 minutes)", "alert_emails": '["ann@example.com"]'},
        {"min_instances": "2"},
        {"architecture": "arm64", "baked_model": "models/m.gguf"},
        {"memory_mib": "3008", "max_instances": "1"},
        {"env": '{MODEL_CACHE="memory"}', "disk_mib": "512"},
        {"model": "m.gguf", "snapshot": "true", "env": '{SYSTEM_PROMPT="Be brief.", N_CTX="4096"}'},
        {"model": "m.gguf", "model_bytes": "1000000000", "model_memory_bytes": "500000000", "name": "talk"},
        {"model_uri": "s3://others/m.gguf", "max_instances": "null", "smoke_test": "false"},
        {"model_uri": "hf://owner/repository/m.gguf", "force_destroy": "true"},
        {"snapstart": "true", "api_key_parameter": "/chat/key", "warmup_schedule": "rate(1 hour)"},
        {"monthly_budget": "20", "alert_emails": '["ann@example.com"]', "labels": '{team="ml"}'},
    ],
}
"""Sets of options: 14 for each cloud, and the documented flow has the default values."""


@pytest.mark.slow
@pytest.mark.parametrize("number", range(14))
def test_option_set_applies_with_a_clean_plan_and_leaves_nothing(deployment: Deployment, number: int) -> None:
    options = OPTION_SETS[deployment.root][number] | {"deletion_protection": "false", "force_destroy": "true"}
    deployment.apply(**options)
    plan = deployment.run("plan", "-detailed-exitcode", **options)
    assert plan.returncode == 0, plan.stdout
    done = deployment.run("destroy", "-auto-approve", **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert terraform(deployment.folder, "state", "list").stdout.strip() == ""


REFUSED: dict[str, dict[str, dict[str, str]]] = {
    "gcp": {
        "it needs api_key_secret": {"bootstrap": "true", "access": "api_key"},
        "The model does not fit": {"bootstrap": "true", "model_bytes": "30000000000", "model_memory_bytes": "1000000"},
        "Cloud Run has no L4s in": {"gpu": "true", "memory_mib": "16384", "region": "europe-north1"},
        "warmup_schedule must be": {"warmup_schedule": "99 99 * * *"},
        "must be numbers": {"env": '{N_CTX="abc"}'},
        "may name objects in this module's bucket only": {"env": '{LORA_URI="gs://others/a.gguf"}'},
        "model_file is one file, and": {"model": "m.gguf", "model_file": "/tmp/m-00001-of-00002.gguf"},
        "min_instances are billed": {"min_instances": "1", "startup_waits_for": "port"},
        "invokers have no effect": {"access": "api_key", "api_key_secret": "k", "invokers": '["user:ann@example.com"]'},
        "disk_mib must be": {"disk_mib": "2000000"},
        "cp terraform/gcp/iap/*.tf terraform/gcp/": {"iap_members": '["user:ann@example.com"]'},
        "it expires": {"model_uri": "https://host/m.gguf?X-Goog-Signature=1"},
    },
    "aws": {
        "it needs api_key_parameter": {"bootstrap": "true", "access": "api_key"},
        "The model does not fit": {"bootstrap": "true", "model_bytes": "30000000000", "model_memory_bytes": "1000000"},
        "takes images from ECR in the function's region": {
            "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/chat:v1"
        },
        "warmup_schedule must be": {"warmup_schedule": "rate(1 minutes)"},
        "must be numbers": {"env": '{N_CTX="abc"}'},
        "may name objects in this module's bucket only": {"env": '{LORA_URI="s3://others/a.gguf"}'},
        "model_file is one file, and": {"model": "m.gguf", "model_file": "/tmp/m-00001-of-00002.gguf"},
        "min_instances are billed": {"min_instances": "1", "startup_waits_for": "port"},
        "invokers have no effect": {"access": "api_key", "api_key_parameter": "/k", "invokers": '["210987654321"]'},
        "disk_mib must be": {"disk_mib": "2000000"},
        "either provisioned concurrency or SnapStart": {"min_instances": "1", "snapstart": "true"},
    },
}
"""Combinations that would fail after a build, or never work, under words of the sentence that rejects them."""


@pytest.mark.slow
def test_combinations_that_cannot_work_are_refused_before_anything_is_uploaded(deployment: Deployment) -> None:
    for words, options in REFUSED[deployment.root].items():
        plan = deployment.run("plan", **options)
        assert plan.returncode == 1, options
        assert words in " ".join(plan.stderr.replace("│", " ").split()), (options, plan.stderr)
    assert deployment.uploads() == []
