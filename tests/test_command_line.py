"""The command line itself: help, mistakes, versions, old Pythons and missing packages."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from function import __version__
from function.__main__ import COMMANDS, MAX_HELP_COLUMNS
from function.command.doctor_checks import PACKAGES
from tests.command_line import INTERRUPT, ROOT, function, function_on_terminal


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)], ids=lambda names: " ".join(names) or "all")
def test_help_fits_a_terminal_of_80_columns(arguments: tuple[str, ...]) -> None:
    outcome = function(*arguments, "--help", env={"COLUMNS": "200"})
    assert outcome.returncode == 0
    assert max(map(len, outcome.stdout.splitlines())) <= MAX_HELP_COLUMNS


def test_description_is_a_sentence_that_begins_with_a_capital() -> None:
    description = function("plan", "--help").stdout.split("\n\n")[1]
    assert description.startswith("Show what a model is")


@pytest.mark.parametrize(("typed", "meant"), [("plna", "plan"), ("docter", "doctor"), ("benhc", "bench")])
def test_mistyped_command_gets_a_suggestion(typed: str, meant: str) -> None:
    outcome = function(typed)
    assert outcome.returncode == 2
    assert outcome.stderr == f"There is no command {typed!r}. Did you mean {meant}?\n"


def test_unknown_command_gets_the_list() -> None:
    outcome = function("xyzzy")
    assert outcome.returncode == 2
    assert all(name in outcome.stderr for name in COMMANDS)


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_names_program_and_bindings(option: str) -> None:
    outcome = function(option)
    assert outcome.returncode == 0
    assert outcome.stdout.startswith(f"chat-function {__version__} (llama-cpp-python ")


def test_version_is_that_of_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


def test_console_command_is_named_in_its_help(tmp_path: Path) -> None:
    script = tmp_path / "chat-function"
    script.write_text("import sys\nfrom function.__main__ import main\nsys.exit(main(sys.argv[1:]))\n")
    outcome = subprocess.run(
        [sys.executable, script, "plan", "--help"], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert outcome.stdout.startswith("usage: chat-function plan ")
    assert "python -m function" not in outcome.stdout


def test_old_python_is_rejected_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 9, 18, 'final', 0)\n")
    outcome = function("doctor", env={"PYTHONPATH": str(tmp_path)})
    assert outcome.returncode == 1
    assert "Python 3.11 or newer is needed" in outcome.stderr
    assert "make run PYTHON=python3.11" in outcome.stderr


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_entry_point_can_be_read_by_an_old_python(name: str) -> None:
    source = (ROOT / "function" / name).read_text()
    tree = ast.parse(source, feature_version=(3, 7))
    own = [
        node for node in tree.body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("function.")
    ]
    assert not own, "imported before the version is checked"


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment without packages."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


def run_bare(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "", "HOME": "/nonexistent"}
    return subprocess.run([python, "-m", "function", *arguments], capture_output=True, text=True, cwd=ROOT, env=env)


def test_doctor_without_packages_names_them_and_checks_the_rest(bare_python: Path) -> None:
    outcome = run_bare(bare_python, "doctor")
    assert outcome.returncode == 1
    assert "BAD   packages" in outcome.stdout
    assert "llama-cpp-python" in outcome.stdout
    assert "ok    memory" in outcome.stdout
    assert outcome.stderr == ""


def test_command_without_packages_is_one_sentence_with_a_remedy(bare_python: Path) -> None:
    outcome = run_bare(bare_python, "chat", "--prompt", "hi")
    assert outcome.returncode == 1
    assert "is not installed for" in outcome.stderr
    assert "doctor" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_doctor_checks_only_locked_packages() -> None:
    locked = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    assert set(PACKAGES) <= locked


def test_doctor_has_colours_on_a_terminal_only() -> None:
    _, shown = function_on_terminal("doctor")
    assert "\x1b[32mok" in shown
    assert "\x1b" not in function("doctor").stdout


def test_no_color_removes_colours() -> None:
    _, shown = function_on_terminal("doctor", env={"NO_COLOR": "1"})
    assert "ok    memory" in shown
    assert "\x1b[" not in shown


def test_bench_shows_progress_on_a_terminal(tiny_model: Path) -> None:
    status, shown = function_on_terminal("bench", tiny_model, steps=[("a greeting: round 1 of 3", INTERRUPT)])
    assert status == 130
    assert shown.rstrip().endswith("Stopped.")


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
def test_make_rejects_an_old_python_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.version_info = (3, 9, 18, 'final', 0)\n")
    outcome = subprocess.run(
        ["make", "install", f"PYTHON={sys.executable}"],
        cwd=ROOT, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert outcome.returncode != 0
    assert "Python 3.11 or newer is needed" in outcome.stderr
    assert "PYTHON=" in outcome.stderr
