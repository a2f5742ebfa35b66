"""Who may import whom. The table is the design; a new import that breaks it is a change of the design."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "function"

# A module may import the modules of its own layer and of those named here (besides errors, which all may).
MAY_IMPORT = {
    "errors": set(),
    "settings": {"gguf"},  # what KV_TYPE may be
    "limits": set(),
    "telemetry": {"settings"},
    "secret": {"settings"},
    "checksum": set(),
    "own": set(),
    "gguf": set(),
    "queue": set(),
    "status": set(),
    "lifeline": set(),
    "lives": {"limits", "status"},
    "made": {"engine", "fetch"},
    "metrics": set(),
    "tracing": {"settings"},
    "phases": set(),
    "source": {"checksum", "settings"},
    "fetch": {"source", "checksum", "gguf", "limits", "own", "settings"},
    "engine": {"gguf", "limits", "own", "settings"},
    "room": {"gguf", "limits", "settings"},
    "snapshot": {"settings", "limits", "fetch", "engine", "gguf"},
    "plan": {"gguf", "limits", "source"},
    "prices": {"plan"},
    "loading": {"gguf", "limits", "settings", "room"},
    "cold_start": {"settings", "status", "limits", "lives", "phases", "fetch", "engine", "gguf", "loading", "snapshot"},
    "service": {
        "cold_start", "settings", "status", "limits", "lives", "queue", "made", "metrics", "phases", "fetch", "engine",
        "snapshot",
    },
    # web sees the engine's values and the service that hands it out, never llama.cpp
    "web": {"service", "status", "settings", "secret", "limits", "engine", "made", "metrics", "telemetry", "tracing"},
    "app": {"service", "settings", "web", "secret"},
    "main": {"app", "service", "settings", "telemetry", "lifeline", "lives"},
    "local": {"app", "service"},
    "command": {
        "settings", "fetch", "source", "gguf", "room", "plan", "prices", "limits", "telemetry", "engine", "made",
        "service", "local", "snapshot",
    },
    "__main__": {"command", "settings", "telemetry"},
    "demo": set(),
}  # fmt: skip


def layer(path: Path) -> str:
    """The name of the folder or module right below the package."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every module that a file imports, inside functions too, by its full name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module
            found |= {node.module} if node.module != "function" else {f"function.{a.name}" for a in node.names}
    return found


MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_layers(path: Path) -> None:
    own = layer(path)
    allowed = MAY_IMPORT[own] | {own, "errors"}
    used = {name.split(".")[1] for name in imports(path) if name.startswith("function.")}
    assert used <= allowed, f"{own} must not import {sorted(used - allowed)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_engine_knows_llama_cpp_and_only_the_web_knows_flask(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}
    if layer(path) != "engine":
        assert "llama_cpp" not in used
    if layer(path) not in ("web", "app", "main", "local"):
        assert not used & {"flask", "werkzeug", "pydantic"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_settings_read_the_environment(path: Path) -> None:
    if layer(path) != "settings":
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os"
        }
        assert not used & {"environ", "getenv", "environb"}
