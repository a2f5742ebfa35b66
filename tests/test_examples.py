"""examples/: uses of the Terraform roots as modules, of the released version."""

import os
import re
import shutil
from pathlib import Path

import pytest

from function import __version__
from tests.hcl import ROOTS, TERRAFORM, blocks
from tests.test_terraform import installed, terraform

__all__ = ["installed"]  # a fixture
EXAMPLES = TERRAFORM.parent / "examples"
SOURCE = "git::https://github.com/OWNER/gguf-chat-function.git//terraform/{root}?ref=v{version}"
each_root = pytest.mark.parametrize("root", ROOTS)


def example(root: str) -> str:
    """Return the text of the example of a root module."""
    return (EXAMPLES / root / "main.tf").read_text()


@each_root
def test_example_uses_the_module_of_this_version(root: str) -> None:
    assert f'source = "{SOURCE.format(root=root, version=__version__)}"\n' in example(root)


@each_root
def test_example_sets_variables_and_reads_outputs_that_exist(root: str) -> None:
    body = example(root).split('module "chat" {\n')[1].split("\n}\n")[0]
    arguments = set(re.findall(r"(?m)^  (\w+) +=", body)) - {"source"}
    variables = {variable.labels[0]: variable for variable in blocks(root, "variable")}
    assert arguments <= set(variables)
    assert {name for name, each in variables.items() if each.argument("default") is None} <= arguments
    outputs = {output.labels[0] for output in blocks(root, "output")}
    assert set(re.findall(r"module\.chat\.(\w+)", example(root))) <= outputs


@each_root
def test_example_is_valid(root: str, installed: None, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(".terraform*", "*.tfvars", "*tfstate*", "tests")
    shutil.copytree(TERRAFORM / root, tmp_path / "module", ignore=ignored)
    copy = tmp_path / "example"
    copy.mkdir()
    text = re.sub(r'(?m)^  source = ".*"$', '  source = "../module"', example(root))
    (copy / "main.tf").write_text(text)
    done = terraform(copy, "init", "-backend=false", "-input=false", "-no-color")
    if done.returncode and not os.environ.get("TERRAFORM_WRAPPER"):
        pytest.skip(f"the providers cannot be downloaded: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    done = terraform(copy, "validate", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_are_formatted(installed: None) -> None:
    done = terraform(EXAMPLES, "fmt", "-check", "-diff", "-recursive")
    assert done.returncode == 0, done.stdout + done.stderr


def test_commands_name_this_version() -> None:
    commands = "".join(re.findall(r"(?ms)^```sh\n(.*?)^```$", (EXAMPLES / "README.md").read_text()))
    assert set(re.findall(r":v([\d.]+\d)", commands)) == {__version__}
