"""Import rules: the modules of a folder may import those of the folders listed here."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "function"

# Folder -> folders it may import from, besides itself and `errors`. Folders inside a wing have rows of their own.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "client": set(),
    "default_model": set(),
    "settings": {"default_model", "gguf"},
    "native": set(),
    "system": {"settings"},
    "gguf": {"native"},
    "source": {"default_model", "native", "settings", "system"},
    "observability": {"settings", "system"},
    "fetch": {"fetch.destination", "fetch.transfer", "settings", "source", "system"},
    "fetch.transfer": {"fetch", "fetch.destination", "source", "system"},
    "fetch.destination": {"source", "system"},
    "dialect": {"engine"},
    "engine": {"engine.grammar", "engine.kv", "engine.llama", "engine.template", "gguf"},
    "engine.grammar": {"engine.llama"},
    "engine.kv": {"engine.llama"},
    "engine.llama": {"gguf", "native", "settings", "system"},
    "engine.template": {"engine.llama"},
    "sizing": {"gguf", "settings", "system"},
    "capacity": {"sizing"},
    "snapshot": {"engine", "fetch", "gguf", "settings", "source", "system"},
    "lifecycle": {
        "default_model", "engine", "fetch", "gguf", "observability", "settings", "sizing", "snapshot", "source",
        "system",
    },
    "web": {"engine", "lifecycle", "settings", "web.exchange", "web.request"},
    "web.request": {"dialect", "engine", "lifecycle", "settings"},
    "web.exchange": {"engine", "lifecycle", "observability", "settings"},
    "web.reply": {"dialect", "engine", "web", "web.exchange", "web.request"},
    "web.docs": {"web", "web.request"},
    "web.page": {"web"},
    "web.routes": {
        "default_model", "engine", "lifecycle", "observability", "system", "web", "web.docs", "web.page", "web.reply",
        "web.request",
    },
    "app": {"lifecycle", "settings", "web", "web.exchange", "web.reply", "web.request", "web.routes"},
    "main": {"app", "lifecycle", "observability", "settings", "system"},
    "server": {"engine", "lifecycle", "observability", "settings", "system"},
    "command": {
        "app", "capacity", "default_model", "engine", "fetch", "gguf", "lifecycle", "settings", "sizing", "source",
        "system",
    },
    "__main__": set(),
}  # fmt: skip

MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def name_of(path: Path) -> str:
    """Return the dotted name of a module, without the package ``function``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {name_of(path) for path in MODULES}


def layer(name: str) -> str:
    """Return the row of the table that a module belongs to: the longest that matches."""
    rows = [row for row in MAY_IMPORT if name == row or name.startswith(f"{row}.")]
    assert rows, f"{name} has no row in the table"
    return max(rows, key=len)


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the full names of all modules that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = {name for name in submodules if name.removeprefix("function.") in NAMES}
            found |= inside if len(inside) == len(submodules) else inside | {node.module}
    return frozenset(found)


def own_imports(path: Path) -> set[str]:
    """Return the modules of this package that a file imports, without the package's name."""
    return {name.removeprefix("function.") for name in imports(path) if name.startswith("function.")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_follow_the_table(path: Path) -> None:
    own = layer(name_of(path))
    used = {layer(name) for name in own_imports(path)}
    assert used <= MAY_IMPORT[own] | {own, "errors"}, f"{own} must not import {sorted(used - MAY_IMPORT[own])}"


def test_table_has_no_needless_rights() -> None:
    used: dict[str, set[str]] = {row: set() for row in MAY_IMPORT}
    for path in MODULES:
        own = layer(name_of(path))
        used[own] |= {layer(name) for name in own_imports(path)} - {own, "errors"}
    assert used == MAY_IMPORT


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_libraries_stay_in_their_wing(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    wing = name_of(path).split(".")[0]
    if wing != "engine":
        assert "llama_cpp" not in used
    if wing not in ("web", "app", "main") and name_of(path) != "command.local_server":
        assert not used & {"flask", "werkzeug", "pydantic"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_settings_read_the_environment(path: Path) -> None:
    if name_of(path) != "settings":
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        }
        assert not used & {"environ", "getenv", "environb"}
