"""Commands of docs/deploy.md in their order: the real terraform, stand-ins for its providers, and fakes of the clouds.

The fakes keep what a step leaves behind: no revision or version replies before an image was pushed.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hcl import ROOTS, TERRAFORM
from tests.terraform_stub import newer_wrapper

DOCS = (TERRAFORM.parent / "docs" / "deploy.md").read_text()
BLOCKS = re.findall(r"(?ms)^```sh\n(.*?)^```$", DOCS)

PUSHED = '[ -e "$STATE/pushed" ]'
FAKES = {
    # The stand-ins need no init, which installs the real providers.
    "terraform": """
case "$*" in *\\ init*) touch "$STATE/init" ;; esac
[ -e "$STATE/init" ] || exit 1
exec $WRAPPER "$TERRAFORM" "$@"
""",
    "gcloud": f"""
case "$*" in
  *"builds submit"*) touch "$STATE/pushed" ;;
  *latestCreatedRevisionName*) {PUSHED} || exit 1; echo chat-00001-abc ;;
  *status.url*) echo https://chat-1-ew.a.run.app ;;
  *print-identity-token*) echo TOKEN ;;
esac""",
    "docker": 'case "$1" in push) touch "$STATE/pushed" ;; login) cat > "$STATE/login" ;; esac',
    "aws": f"""
case "$*" in
  *get-login-password*) echo PASSWORD ;;
  *published-version-active*) {PUSHED} ;;
  *"lambda invoke"*) for last; do :; done; echo '{{"first_token": true}}' > "$last" ;;
esac""",
    "curl": """printf 'data: {"choices":[{"delta":{"content":"Hello"}}]}\\n\\ndata: [DONE]\\n\\n'""",
    "git": "echo c0ffee",
    "gh": 'case "$*" in *--body\\ -*) exit 1 ;; esac',
}


def commands(block: str) -> Iterator[str]:
    """Yield the commands of a block: a line with its continuations, or a loop."""
    lines: list[str] = []
    for line in block.splitlines():
        lines.append(re.sub(r"\s{2,}# .*$", "", line))
        looping = lines[0].startswith("for ") and lines[-1] != "done"
        if not (looping or line.endswith("\\")):
            yield "\n".join(lines)
            lines = []


def concerns(command: str, root: str) -> bool:
    """Return True if a command is for one cloud, or for any."""
    other = {"gcp": r"terraform/aws|\baws\b|aws-|AWS_", "aws": r"terraform/gcp|gcloud|deploy-gcp|X-Serverless"}[root]
    return not re.search(other, command)


class Shell:
    """A shell in a copy of the repository's modules, with the fakes."""

    def __init__(self, root: str, folder: Path) -> None:
        terraform = shutil.which("terraform")
        wrapper = newer_wrapper(folder) or os.environ.get("TERRAFORM_WRAPPER")
        if terraform is None or not wrapper:
            pytest.skip("terraform or TERRAFORM_WRAPPER is missing: the commands would create resources in the cloud")
        self.root, self._folder = root, folder
        shutil.copytree(
            TERRAFORM, folder / "terraform", ignore=shutil.ignore_patterns(".terraform*", "*.tfvars", "*tfstate*")
        )
        (folder / "bin").mkdir()
        for name, script in FAKES.items():
            path = folder / "bin" / name
            record = f'printf "%s\\n" "{name} $*" >> "$STATE/calls"'
            path.write_text(f"#!/bin/sh\n{record}\n{script}\n")
            path.chmod(0o755)
        self._environment = os.environ | {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "STATE": str(folder),
            "WRAPPER": wrapper,
            "TERRAFORM": terraform,
            "URL": "https://chat.example.com/",
            "URL_HOST": "chat.example.com",
            "API_KEY": "key",
        }
        self._fill_in_the_example()

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one command, and confirm what it asks."""
        return subprocess.run(
            ["sh", "-c", command], cwd=self._folder, env=self._environment, input="yes\n" * 5, capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    def calls(self) -> str:
        """Return the recorded calls of all commands."""
        return (self._folder / "calls").read_text()

    def _fill_in_the_example(self) -> None:
        """Copy the example of the variables and set its model, as the document asks."""
        model = self._folder / "m.gguf"
        model.write_bytes(b"GGUF")
        folder = self._folder / "terraform" / self.root
        text = (folder / "terraform.tfvars.example").read_text()
        text = re.sub(r"(?m)^# (model\s+= )", r"\1", text)
        text = re.sub(r'(?m)^# (model_file\s+= )"[^"]*"', rf'\1"{model}"', text)
        (folder / "terraform.tfvars").write_text(text)


def first_commands(root: str) -> list[str]:
    """Return the commands that deploy to one cloud."""
    block = next(block for block in BLOCKS if f"terraform -chdir=terraform/{root} init" in block)
    return list(commands(block))


@pytest.mark.parametrize("root", ROOTS)
def test_documented_commands_deploy_serve_and_remove(root: str, tmp_path: Path) -> None:
    """Every command that concerns the cloud succeeds, in the document's order, and nothing is left at the end."""
    shell = Shell(root, tmp_path)
    asked = f'sh -c "$(terraform -chdir=terraform/{root} output -raw curl)"'
    assert f"`{asked}`" in DOCS
    for block in BLOCKS:
        for command in commands(block):
            if not concerns(command, root):
                continue
            done = shell.run(command)
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        if f"terraform/{root} init" in block:
            assert "Hello" in shell.run(asked).stdout
    done = shell.run(f"terraform -chdir=terraform/{root} state list")
    assert done.returncode == 0
    assert done.stdout.strip() == ""


@pytest.mark.slow
@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("left_out", range(4))
def test_no_documented_step_can_be_left_out(root: str, left_out: int, tmp_path: Path) -> None:
    shell = Shell(root, tmp_path)
    steps = first_commands(root)
    statuses = [shell.run(step).returncode for position, step in enumerate(steps) if position != left_out]
    asked = shell.run(f'sh -c "$(terraform -chdir=terraform/{root} output -raw curl)"')
    assert any(statuses) or "Hello" not in asked.stdout


def test_readme_has_the_same_commands() -> None:
    readme = (TERRAFORM.parent / "README.md").read_text()
    (block,) = (block for block in re.findall(r"(?ms)^```sh\n(.*?)^```$", readme) if "terraform" in block)
    assert list(commands(block)) == first_commands("gcp")


def test_commands_have_the_names_of_the_clouds_programs() -> None:
    """A fake accepts everything; at least the programs are those that the document requires."""
    required = {"terraform", "gcloud", "git", "docker", "aws", "gh", "curl", "sh", "openssl", "for", "cp"}
    for block in BLOCKS:
        for command in commands(block):
            words = [word for word in shlex.split(command.replace("\\\n", " ")) if "=" not in word.split("/")[0]]
            assert words[0] in required, command
