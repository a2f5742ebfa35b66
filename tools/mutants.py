"""Sampled mutation testing: ``python -m tools.mutants function/fetch --count 60 --seed 1``.

Each mutant is one small change (``tools/mutations.py``) at a random place of the named folders, made in a copy of the
repository. First the test files that name the module run, then the others, each time only tests that run the changed
line, until one fails. A mutant that passes all of them has survived, and is printed with its place, by which
``--place`` tries it again. The lines that a test runs are measured once per text of a test file, in ``.mutants/``.
"""

import argparse
import contextlib
import difflib
import hashlib
import json
import os
import queue
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from coverage import CoverageData

from tools.mutations import Mutation, mutate, mutations

ROOT = Path(__file__).parent.parent
MEASURED = ROOT / ".mutants"
EXCLUDED_FOLDERS = ("function/engine/llama/", "function/web/docs/")
COVERAGE_CONFIG = """[run]
source = function
parallel = true
patch = subprocess, _exit
dynamic_context = test_function
"""
NEAR_SECONDS, FAR_SECONDS = 30, 100
"""Seconds of tests in the run of near files, and in that of the others."""
START_SECONDS = 2
"""Seconds to start the servers and models of a test file."""
MAX_MEMORY_BYTES = 16 << 30
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
PASSED, NO_TESTS = 0, 5
"""Exit codes of pytest."""


T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the file ``path``."""

    path: str
    mutation: Mutation

    @property
    def place(self) -> str:
        """Return the name by which ``--place`` finds this mutant in an unchanged file."""
        return f"{self.path}:{self.mutation.number}"


@dataclass(slots=True)
class TestFile:
    """A test file: the seconds of its tests by name, and the lines that they ran in the sources of that time.

    One that is not measured yet has neither.
    """

    path: str
    text: str
    sources: Path = MEASURED
    data: CoverageData | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    contexts: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    def tests(self, module: str, lines: set[int] | None) -> list[str]:
        """Return the tests that ran one of ``lines`` (all files if another process ran it), or any line of a module."""
        contexts = self._contexts(module)
        found = {name for line in (contexts if lines is None else lines & contexts.keys()) for name in contexts[line]}
        names = sorted({name.rpartition(".")[2] for name in found if "|" in name})
        named = [f"{self.path}::{name}" for name in names if f"def {name}(" in self.text]
        return named or ([self.path] if found and lines is not None else [])

    def cost(self, tests: Sequence[str]) -> float:
        """Return the seconds that ``tests`` took."""
        names = {test.partition("::")[2] for test in tests}
        return START_SECONDS + sum(taken for name, taken in self.seconds.items() if name in names or names == {""})

    def _contexts(self, module: str) -> dict[int, list[str]]:
        if module not in self.contexts and self.data:
            name = next((name for name in self.data.measured_files() if name.endswith("/" + module)), None)
            self.contexts[module] = self.data.contexts_by_lineno(name) if name else {}
        return self.contexts.get(module, {})


def main(arguments: Sequence[str] | None = None) -> None:
    """Try mutants, and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description="Mutate the code at random and run the tests that run the change.")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="folders or modules to mutate")
    parser.add_argument("--count", type=int, default=60, help="number of mutants")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--place", action="append", default=[], help="try this mutant, as printed before")
    parser.add_argument("--tests", nargs="*", default=[], metavar="TEST_FILE", help="run these files too, last")
    parser.add_argument("--measure", nargs="*", metavar="TEST_FILE", help="measure these test files, or all, and end")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        copies = [_copy_repository(Path(folder) / str(number)) for number in range(options.jobs)]
        if options.measure is not None:
            paths = options.measure or sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/test_*.py"))
            _in_parallel(copies, paths, measure)
            return
        files = test_files()
        mutants = all_mutants([place.partition(":")[0] for place in options.place] or options.folders)
        sample = random.Random(options.seed).sample(mutants, min(options.count, len(mutants)))
        if options.place:
            sample = [mutant for mutant in mutants if mutant.place in options.place]
        measured = sum(file.data is not None for file in files)
        print(
            f"{len(mutants)} mutants, {len(sample)} tried; {measured} of {len(files)} test files measured", flush=True
        )
        results = _in_parallel(copies, sample, lambda copy, mutant: attempt(copy, mutant, files, options.tests))
    print(Counter(results))


def all_mutants(folders: Sequence[str]) -> list[Mutant]:
    """Return the mutants of all modules below ``folders``."""
    paths = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("function/**/*.py"))
    chosen = [path for path in paths if path.startswith(tuple(folders)) and not path.startswith(EXCLUDED_FOLDERS)]
    return [Mutant(path, mutation) for path in chosen for mutation in mutations((ROOT / path).read_text())]


def measure(copy: Path, path: str) -> None:
    """Run a test file under coverage; keep the lines and the seconds of each test."""
    text = (ROOT / path).read_text()
    digest = hashlib.sha256()
    for source in sorted(ROOT.glob("function/**/*.py")):
        digest.update(source.read_bytes())
    folder = MEASURED / digest.hexdigest()[:16]
    name = f"{Path(path).stem}.{_digest(text)}"
    if any(MEASURED.glob(f"*/{name}.json")):
        return
    if not (folder / "function").exists():
        for source in ROOT.glob("function/**/*.py"):
            copied = folder / source.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_text(source.read_text())
    (copy / "coverage.ini").write_text(COVERAGE_CONFIG)
    run = [sys.executable, "-m", "coverage", "run", "--rcfile=coverage.ini", f"--context={path}"]
    run += [*PYTEST[1:], "-vv", "--durations=0", path]
    status, output = run_tests(copy, run, 600, COVERAGE_FILE=str(copy / "lines"))
    seconds: dict[str, float] = defaultdict(float)
    for taken, test in re.findall(r"([0-9.]+)s (?:call|setup|teardown) +\S+::(\w+)", output):
        seconds[test] += float(taken)
    parts = [str(part) for part in copy.glob("lines.*")]
    if parts:
        combine = [sys.executable, "-m", "coverage", "combine", "--quiet", f"--data-file={folder / name}.lines", *parts]
        subprocess.run(combine, cwd=copy, check=True)
        (folder / f"{name}.json").write_text(json.dumps(seconds))
    print(json.dumps([path, status, round(sum(seconds.values()))]), flush=True)


def test_files() -> list[TestFile]:
    """Return all test files, with their lines where they are measured."""
    files = []
    for path in sorted(ROOT.glob("tests/test_*.py")):
        text = path.read_text()
        file = TestFile(f"tests/{path.name}", text)
        for times in MEASURED.glob(f"*/{path.stem}.{_digest(text)}.json"):
            data = CoverageData(str(times.with_suffix(".lines")))
            data.read()
            file = TestFile(file.path, text, times.parent, data, json.loads(times.read_text()))
        files.append(file)
    return files


def selected_tests(mutant: Mutant, files: Sequence[TestFile]) -> tuple[list[str], list[str]]:
    """Return the tests that run the changed line: those of the near files, then those of the others, cheapest first."""
    by_line = [(file, file.tests(mutant.path, former_lines(file.sources / mutant.path, mutant))) for file in files]
    if not mutant.mutation.function or not any(tests for _, tests in by_line):
        by_line = [(file, file.tests(mutant.path, None)) for file in files]
    module = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    package, _, stem = module.rpartition(".")
    name = re.compile(rf"{re.escape(module)}\b|from {re.escape(package)} import .*\b{stem}\b")
    near = [
        (file, tests or [file.path]) for file, tests in by_line if name.search(file.text) and (tests or not file.data)
    ]
    others = [(file, tests) for file, tests in by_line if tests and not name.search(file.text)]
    return _within(NEAR_SECONDS, near or others), _within(FAR_SECONDS, near) + _within(FAR_SECONDS, others)


def _within(seconds: float, files: Sequence[tuple[TestFile, list[str]]]) -> list[str]:
    """Return the tests that take ``seconds`` together, from the file and the test that take least; one at least."""
    selected: list[str] = []
    for file, tests in sorted(files, key=lambda each: each[0].cost(each[1])):
        seconds -= START_SECONDS
        for test in sorted(tests, key=lambda test: file.cost([test])):
            seconds -= file.cost([test]) - START_SECONDS
            if selected and seconds < 0:
                return selected
            selected.append(test)
    return selected


def former_lines(source: Path, mutant: Mutant) -> set[int]:
    """Return the lines that the changed code had in ``source``, an earlier text of its module."""
    lines = {number - 1 for number in mutant.mutation.lines}
    before, after = (path.read_text().splitlines() if path.exists() else [] for path in (source, ROOT / mutant.path))
    if before == after:
        return {line + 1 for line in lines}
    blocks = difflib.SequenceMatcher(None, after, before, autojunk=False).get_matching_blocks()
    return {line - now + then + 1 for now, then, size in blocks for line in lines if now <= line < now + size}


def attempt(copy: Path, mutant: Mutant, files: Sequence[TestFile], further: Sequence[str] = ()) -> str:
    """Change the module in ``copy``, run its tests, and restore it; print and return the result."""
    source = (ROOT / mutant.path).read_text()
    module = copy / mutant.path
    near, far = selected_tests(mutant, files)
    far += further
    start = time.monotonic()
    _write(module, mutate(source, mutant.mutation.number))
    result = "survived"
    for tests, name in ((near, "near"), ([test for test in far if test not in near], "far")):
        if result == "survived" and tests:
            status, _ = run_tests(copy, [*PYTEST, "-x", *tests], 3 * (NEAR_SECONDS if name == "near" else FAR_SECONDS))
            if status not in (PASSED, NO_TESTS):
                result = f"timeout {name}" if status is None else f"killed {name}"
    _write(module, source)
    tests_run = len(near) if result.endswith("near") else len({*near, *far})
    facts = [result, mutant.place, mutant.mutation.line, mutant.mutation.kind, mutant.mutation.text]
    print(json.dumps([*facts, tests_run, round(time.monotonic() - start)], ensure_ascii=False), flush=True)
    return result


def run_tests(copy: Path, command: Sequence[str], seconds: float, **environment: str) -> tuple[int | None, str]:
    """Run ``command``; return its exit code, or None after ``seconds``, and its output. No process of it is left."""
    environment |= {"TMPDIR": str(copy / "tmp")}
    (copy / "tmp").mkdir(exist_ok=True)
    with (copy / "output").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=copy, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env=os.environ | environment, preexec_fn=_limit_memory,
        )  # fmt: skip
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _kill_all(copy)
            process.wait()
    shutil.rmtree(copy / "tmp", ignore_errors=True)
    return status, (copy / "output").read_text(errors="replace")


def _write(module: Path, text: str) -> None:
    """Write a module; a compiled file of the same second could pass for its own."""
    module.write_text(text)
    for compiled in (module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"):
        compiled.unlink()


def _kill_all(copy: Path) -> None:
    """Kill the processes that run in ``copy``, with the servers that tests have started, until there is none."""
    while running := [entry for entry in Path("/proc").glob("[0-9]*") if _runs_in(entry, copy)]:
        for entry in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
        time.sleep(0.05)


def _runs_in(entry: Path, copy: Path) -> bool:
    try:
        return (entry / "cwd").readlink().is_relative_to(copy)
    except OSError:  # it has ended, or is not ours
        return False


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def _copy_repository(copy: Path) -> Path:
    """Copy what git tracks or would track into ``copy``, and return it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


def _in_parallel(copies: Sequence[Path], items: Sequence[T], work: Callable[[Path, T], R]) -> list[R]:
    """Return ``work`` of each item, one at a time in each copy."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def run(item: T) -> R:
        copy = free.get()
        try:
            return work(copy, item)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        return list(pool.map(run, items))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
