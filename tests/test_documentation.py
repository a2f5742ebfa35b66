"""README, docs and CONTRIBUTING, held against what they speak of."""

import inspect
import re
from itertools import pairwise
from pathlib import Path

import pytest

from function import errors
from function.errors import FunctionError
from tools.pictures import generated_files

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "bench" / "README.md"])
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()


def kinds() -> dict[str, type[FunctionError]]:
    """Every error that the program can give, by its code."""
    found = (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FunctionError))
    return {kind.code: kind for kind in found}


def test_every_error_has_its_place_in_troubleshooting() -> None:
    assert set(re.findall(r"(?m)^### `(\w+)`$", TROUBLESHOOTING)) == set(kinds())


@pytest.mark.parametrize("code", kinds())
def test_an_error_s_place_has_its_status_and_says_what_to_do(code: str) -> None:
    kind = kinds()[code]
    text = TROUBLESHOOTING.split(f"### `{code}`\n")[1].split("\n#")[0].strip()
    assert text.startswith(str(kind.status))
    if kind.status >= 500:
        assert ("permanent." in text.split(". ")[0] + ".") is kind.permanent
    assert len(re.split(r"[.:] ", text)) >= 2, "a cause, at the least"


def anchors(text: str) -> set[str]:
    """The places of a document that a link can name."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked.read_text()), target


@pytest.mark.parametrize("path", generated_files(), ids=lambda path: path.name)
def test_what_is_drawn_is_what_python_m_tools_pictures_draws(path: Path) -> None:
    assert path.read_text() == generated_files()[path], "run python -m tools.pictures"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"](docs/{page.name}" in readme, page.name


def test_headings_go_down_one_level_at_a_time() -> None:
    for path in DOCUMENTS:
        text = re.sub(r"(?s)```.*?```", "", path.read_text())
        levels = [len(marks) for marks in re.findall(r"(?m)^(#+) ", text)]
        assert all(below <= above + 1 for above, below in pairwise(levels)), path
