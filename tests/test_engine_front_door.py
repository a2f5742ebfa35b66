"""The front door of the engine: complete, lazy, and the only way in for other packages."""

import ast
import subprocess
import sys
from pathlib import Path

import function.engine as door

ROOT = Path(__file__).parent.parent / "function"
INSIDE = ROOT / "engine"


def test_front_door_declares_each_export_with_its_module() -> None:
    tree = ast.parse((INSIDE / "__init__.py").read_text())
    declared = {
        alias.name: node.module.removeprefix("function.engine.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("function.engine.")
        for alias in node.names
    }
    assert declared == door._MODULES
    assert all(getattr(door, name) is not None for name in declared)


def test_other_packages_import_only_the_front_door() -> None:
    inner = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in ROOT.rglob("*.py")
        if not path.is_relative_to(INSIDE)
        for line in path.read_text().splitlines()
        if "import" in line and "function.engine." in line
    }
    assert not inner


def test_values_load_without_llama_cpp() -> None:
    script = (
        "import sys; from function.engine import Job, Sampling, json_grammar;"
        "assert not {'llama_cpp', 'numpy', 'llguidance', 'function.engine.llama.library'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
