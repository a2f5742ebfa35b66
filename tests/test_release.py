"""The release workflow: its shell steps run here, and it publishes the image, the package and the documentation."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from function import __version__

ROOT = Path(__file__).parent.parent
JOBS: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]


def script(job: str, name: str) -> str:
    """Return the shell commands of a step."""
    (step,) = [step for step in JOBS[job]["steps"] if step.get("name") == name]
    return str(step["run"])


def run(text: str, folder: Path, tag: str) -> subprocess.CompletedProcess[str]:
    """Run a step as the runner does, for ``tag``."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    programs = folder / "bin"
    programs.mkdir()
    (programs / "gh").write_text('#!/bin/sh\necho "$@" > arguments\n')
    (programs / "gh").chmod(0o755)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "GITHUB_REF_NAME": tag}
    return subprocess.run(["bash", "-e", "-c", text], cwd=folder, env=env, capture_output=True, text=True)


@pytest.mark.parametrize(("tag", "status"), [(f"v{__version__}", 0), ("v9.9.9", 1)])
def test_tag_must_be_the_version(tag: str, status: int, tmp_path: Path) -> None:
    assert (
        run(script("package", "Compare the tag with the version and the changelog"), tmp_path, tag).returncode == status
    )


def test_release_has_the_notes_of_its_version(tmp_path: Path) -> None:
    done = run(script("package", "Create the release"), tmp_path, f"v{__version__}")
    assert done.returncode == 0, done.stderr
    changelog = (ROOT / "CHANGELOG.md").read_text()
    notes = (tmp_path / "notes.md").read_text()
    assert notes.strip()
    assert notes in changelog.split(f"\n## {__version__} ")[1]
    assert "\n## " not in notes
    assert (tmp_path / "arguments").read_text().startswith(f"release create v{__version__} ")


def test_image_is_built_for_both_architectures() -> None:
    assert {each["arch"] for each in JOBS["image"]["strategy"]["matrix"]["include"]} == {"amd64", "arm64"}
    (manifest,) = [step["run"] for step in JOBS["manifest"]["steps"] if "run" in step]
    assert manifest.endswith('"$IMAGE-amd64" "$IMAGE-arm64"')


def test_documentation_is_built_as_in_its_test() -> None:
    assert script("docs", "Build the site") == ".venv/bin/python -m tools.site site"


@pytest.mark.parametrize("job", [name for name in JOBS if name != "test"])
def test_nothing_is_published_before_the_tests(job: str) -> None:
    needed = job
    while needed != "test":
        needed = JOBS[needed]["needs"]
