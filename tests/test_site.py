"""The documentation as a site: built without a warning, complete, and with links that lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.site import DOCS, OUTER_PAGES, ROOT, SECTIONS, with_site_links

REPOSITORY = "https://git.example/owner/name"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    env = {**os.environ, "REPOSITORY_URL": REPOSITORY}
    done = subprocess.run(
        [sys.executable, "-m", "tools.site", folder], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def test_every_document_is_a_page(site: Path) -> None:
    documents = [path.relative_to(DOCS) for path in DOCS.rglob("*.md")]
    for page in [*documents, *map(Path, OUTER_PAGES.values())]:
        assert (site / page).with_suffix(".html").is_file(), page


def test_local_links_have_targets(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        for target in re.findall(r'\b(?:href|src|srcset)="([^"#?]+)[^"]*"', text):
            if not target.startswith(("http", "data:", "mailto:")):
                assert (page.parent / target).exists(), (page.name, target)


def test_files_that_are_no_pages_are_linked_in_the_repository(site: Path) -> None:
    targets = re.findall(rf'href="{REPOSITORY}/(?:blob|tree)/main/([^"#]+)', (site / "architecture.html").read_text())
    assert targets
    assert all((ROOT / target).exists() for target in targets)


def test_sections_have_a_page_each(site: Path) -> None:
    front = (site / "index.html").read_text()
    for title in SECTIONS:
        assert f'<span class="caption-text">{title}</span>' in front


@pytest.mark.parametrize(
    ("path", "link", "expected"),
    [
        ("docs/api.md", "../README.md#endpoints", "index.md#endpoints"),
        ("docs/deploy.md", "../infra/service.yaml", f"{REPOSITORY}/blob/main/infra/service.yaml"),
        ("docs/decisions/0001-no-openmp.md", "../../bench/README.md#fetch", "../measurements.md#fetch"),
        ("README.md", "docs/settings.md", "settings.md"),
        ("README.md", "docs/decisions/README.md", "decisions/README.md"),
        ("bench/README.md", "decode.py", f"{REPOSITORY}/blob/main/bench/decode.py"),
        ("SECURITY.md", "terraform", f"{REPOSITORY}/tree/main/terraform"),
        ("docs/api.md", "https://example.com/x", "https://example.com/x"),
        ("docs/api.md", "#sampling", "#sampling"),
    ],
)
def test_links_are_rewritten_for_the_site(path: str, link: str, expected: str) -> None:
    assert with_site_links(f"[a]({link})", path, REPOSITORY) == f"[a]({expected})"


def test_warning_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "index.md").write_text("# Front\n\n[nothing](no-such-page.md)\n")
    program = "import pathlib, sys, tools.site as site; sys.exit(site.render(*map(pathlib.Path, sys.argv[1:]), ''))"
    command: list[str | Path] = [sys.executable, "-c", program, tmp_path, tmp_path / "out"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no-such-page.md" in done.stderr
