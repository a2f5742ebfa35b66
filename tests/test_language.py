"""Language rules of CONTRIBUTING.md, as far as a program can check them, and docs/glossary.md."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "function"
FOLDERS = ("function", "bench", "tools", "tests")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
PACKAGE_MODULES = [path for path in MODULES if path.is_relative_to(PACKAGE)]
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()

MAX_TOP_MODULES = 6
MAX_QUESTION_SHARE = 0.01
MAX_STORY_WORDS_PER_1000 = 2.0
QUESTION = re.compile(r"(What|Whether|Where|How|Who|Which|Whatever|Whoever|Whose|That which)\b")
STORY = re.compile(
    r"\b(told|tells?|telling|said|says|nobody|everybody|anybody|whoever|whatever|somebody|gone on|anew|besides|spells?"
    r"|hears?|heard)\b",
    re.IGNORECASE,
)
VAGUE = re.compile(
    r"_*(LOOK|PATIENCE|PACE|MOST|LONGEST|LIMIT|WORTHWHILE|MARGIN|WINDOW|BUSY|HEAD|TOKENS|ROOM|DRAIN|UNREAD)"
)
QUANTITY = re.compile(r"_*(?:[A-Z0-9]+_)*(TIMEOUT|DELAY|INTERVAL|PAUSE|DEADLINE|DURATION|AGE|SIZE|LENGTH)")
"""Names of quantities that need a unit after them: ``POLL_INTERVAL`` is vague, ``POLL_INTERVAL_SECONDS`` is not."""


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text())


def module_name(path: Path) -> str:
    """Return the path of a module below the repository's root."""
    return str(path.relative_to(ROOT))


def docstrings(path: Path) -> list[str]:
    """Return the docstrings of a module, its classes and its functions."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = (ast.get_docstring(node) for node in ast.walk(parsed(path)) if isinstance(node, documented))
    return [text for text in found if text]


def comments(path: Path) -> list[str]:
    """Return the comments that stand on lines of their own or after two spaces."""
    return re.findall(r"(?m)(?:^\s*|  )# (.*)$", path.read_text())


def constants(path: Path) -> dict[str, ast.expr | None]:
    """Return what a module assigns to names of its own."""
    found: dict[str, ast.expr | None] = {}
    for node in parsed(path).body:
        if isinstance(node, ast.Assign):
            found |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node.value
    return found


def is_number(node: ast.expr | None) -> bool:
    """Return whether an expression consists of literal numbers, such as ``4 << 20``."""
    return node is not None and all(
        isinstance(each, ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop)
        or (isinstance(each, ast.Constant) and type(each.value) in (int, float))
        for each in ast.walk(node)
    )


def test_class_names_are_unique() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE_MODULES:
        if not path.is_relative_to(PACKAGE / "web" / "docs"):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(module_name(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_module_docstring_is_a_noun_phrase(path: Path) -> None:
    assert not QUESTION.match(ast.get_docstring(parsed(path)) or "")


def test_docstrings_rarely_begin_with_a_question_word() -> None:
    texts = [text for path in PACKAGE_MODULES for text in docstrings(path)]
    questions = [text.splitlines()[0] for text in texts if QUESTION.match(text)]
    assert len(questions) < MAX_QUESTION_SHARE * len(texts), questions


def test_storyteller_words_are_rare() -> None:
    texts = [text for path in MODULES for text in (*docstrings(path), *comments(path))]
    words = sum(len(text.split()) for text in texts)
    story = sum(len(STORY.findall(text)) for text in texts)
    assert 1000 * story / words < MAX_STORY_WORDS_PER_1000


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_constant_names_are_specific(path: Path) -> None:
    names = constants(path)
    assert [name for name in names if VAGUE.fullmatch(name)] == []


@pytest.mark.parametrize("path", PACKAGE_MODULES, ids=module_name)
def test_quantity_names_carry_a_unit(path: Path) -> None:
    names = [name for name, value in constants(path).items() if is_number(value)]
    assert [name for name in names if QUANTITY.fullmatch(name)] == []


def test_few_modules_stand_at_the_top_of_the_package() -> None:
    modules = sorted(path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py")
    assert len(modules) <= MAX_TOP_MODULES, modules


def test_glossary_is_sorted_and_each_term_is_defined_once() -> None:
    terms = re.findall(r"(?m)^\| \*\*(.+?)\*\* \|", GLOSSARY)
    assert len(terms) >= 30
    assert terms == sorted(set(terms), key=str.lower)


def glossary_places() -> list[tuple[str, str]]:
    """Return the class and the module that each row of the glossary names."""
    return re.findall(r"`(\w+)` in \[[^\]]*\]\(\.\./(function/[^)]+)\)", GLOSSARY)


@pytest.mark.parametrize(("name", "module"), glossary_places())
def test_glossary_names_classes_that_exist(name: str, module: str) -> None:
    names = {node.name for node in parsed(ROOT / module).body if isinstance(node, ast.ClassDef)}
    assert name in names
