"""Run llama.cpp's server tests: ``python -m tests.llama_server FOLDER [FILE …]``.

FOLDER is ``tools/server/tests`` of llama.cpp's source, which llama-cpp-python's source distribution contains. The tests
are copied to a temporary folder, where numbers of their own model's tokens are replaced. Prints the failures and a
table. TESTS is an expression for ``pytest -k``.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.llama_server import model
from tests.servers.process import free_port

HERE = Path(__file__).parent
CLAIMED = ("tokenize", "template", "tool_call", "chat_completion", "completion", "security", "ctx_shift")
"""Files about what the function claims."""
NOT_APPLICABLE = "not slow and not local_media_file and not cors_proxy and not static_assets"
"""Images, a proxy for tools and another page."""
REPLACEMENTS = {
    "test_completion.py": {'timings["cache_n"] == n_prompt': 'timings["cache_n"] > 0'},
    "test_chat_completion.py": {
        # Cached tokens, as far as the texts agree.
        '("1 2 3 4 5 6", 77, 0),': '("1 2 3 4 5 6", ANY, 0),',
        "77, 76)": "ANY, ANY)",
        "77, 51)": "ANY, ANY)",
        "77, 47)": "ANY, ANY)",
        "import pytest": "import pytest\nfrom plugin import AnyCount\n\nANY = AnyCount()",
    },
}


def main() -> None:
    """Run the files named on the command line, by default those in CLAIMED."""
    source, files = Path(sys.argv[1]).resolve(), sys.argv[2:] or [f"test_{name}.py" for name in CLAIMED]
    with tempfile.TemporaryDirectory() as folder:
        tests = Path(folder) / "tools" / "server" / "tests"
        shutil.copytree(source, tests)
        (Path(folder) / "models").symlink_to(source.parent.parent.parent / "models")
        for name, replacements in REPLACEMENTS.items():
            path = tests / "unit" / name
            text = path.read_text()
            for old, new in replacements.items():
                assert old in text, f"{name} has no {old!r}"
                text = text.replace(old, new)
            path.write_text(text)
        report = Path(folder) / "report.xml"
        env = os.environ | {
            "LLAMA_SERVER_BIN_PATH": str(HERE / "launcher.py"),
            "TEST_MODEL": str(model.write(Path(folder) / "model.gguf")),
            "PORT": str(free_port()),
            "PYTHONPATH": os.pathsep.join((str(tests), str(HERE))),
        }
        options = [
            "-p",
            "plugin",
            "-q",
            "--tb=line",
            "-k",
            os.environ.get("TESTS", NOT_APPLICABLE),
            "--junitxml",
            str(report),
            "-p",
            "no:cacheprovider",
        ]
        command = [sys.executable, "-m", "pytest", *options, *(f"unit/{name}" for name in files)]
        subprocess.run([*command, *os.environ.get("PYTEST_ARGS", "").split()], cwd=tests, env=env, check=False)
        cases = ElementTree.parse(report).iter("testcase")
        results: dict[str, list[int]] = {}
        for case in cases:
            counts = results.setdefault(case.get("classname", "").rpartition(".")[2], [0, 0])
            if case.find("skipped") is None:
                counts[case.find("failure") is not None or case.find("error") is not None] += 1
        for name, (passed, failed) in sorted(results.items()):
            sys.stdout.write(f"{re.sub('^test_', '', name):20} {passed:4} passed {failed:4} failed\n")
        sys.stdout.write(f"{'all':20} {sum(row[0] for row in results.values()):4} passed ")
        sys.stdout.write(f"{sum(row[1] for row in results.values()):4} failed\n")


if __name__ == "__main__":
    main()
