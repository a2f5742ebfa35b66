"""README, docs and CONTRIBUTING, compared with the code."""

import inspect
import re
from itertools import pairwise
from pathlib import Path

import pytest

from function import errors
from function.errors import FunctionError
from tools.pictures import generated_files

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md", ROOT / "examples" / "README.md"]
)
LINK = re.compile(r"\]\(([^)\s]+)\)|\b(?:src|srcset)=\"([^\"]+)\"")
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()


def errors_by_code() -> dict[str, type[FunctionError]]:
    """Return every error class by its code."""
    found = (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FunctionError))
    return {kind.code: kind for kind in found}


def test_troubleshooting_has_a_section_for_every_error() -> None:
    assert set(re.findall(r"(?m)^### `(\w+)`$", TROUBLESHOOTING)) == set(errors_by_code())


@pytest.mark.parametrize("code", errors_by_code())
def test_troubleshooting_has_status_and_remedy(code: str) -> None:
    kind = errors_by_code()[code]
    text = TROUBLESHOOTING.split(f"### `{code}`\n")[1].split("\n#")[0].strip()
    assert text.startswith(str(kind.status))
    if kind.status >= 500:
        assert ("permanent." in text.split(". ")[0] + ".") is kind.permanent
    assert len(re.split(r"[.:] ", text)) >= 2, "at least a cause"


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_have_targets(path: Path) -> None:
    for target in (link or picture for link, picture in LINK.findall(path.read_text())):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text()), target


def test_every_picture_is_shown() -> None:
    texts = "".join(path.read_text() for path in DOCUMENTS)
    for picture in [*(ROOT / "docs" / "pictures").glob("*.png"), *(ROOT / "docs" / "pictures").glob("*.svg")]:
        assert f"pictures/{picture.name}" in texts, picture.name


@pytest.mark.parametrize("path", generated_files(), ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    assert path.read_text() == generated_files()[path], "run python -m tools.pictures"


def test_readme_links_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"](docs/{page.name}" in readme, page.name


def test_headings_go_down_one_level_at_a_time() -> None:
    for path in DOCUMENTS:
        text = re.sub(r"(?s)```.*?```", "", path.read_text())
        levels = [len(marks) for marks in re.findall(r"(?m)^(#+) ", text)]
        assert all(below <= above + 1 for above, below in pairwise(levels)), path
