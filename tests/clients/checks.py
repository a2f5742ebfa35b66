"""Runner of one client's checks: prints a line for each. Clients import it from their own environments."""

import sys
from collections.abc import Callable, Sequence


def run(checks: Sequence[Callable[[], object]]) -> None:
    """Run ``checks`` in order, and exit with 1 if any failed."""
    failed = False
    for check in checks:
        try:
            check()
        except Exception as e:
            failed = True
            text = " ".join(f"{type(e).__name__}: {e}".split())
            sys.stdout.write(f"{check.__name__}: FAIL {text[:400]}\n")
        else:
            sys.stdout.write(f"{check.__name__}: ok\n")
        sys.stdout.flush()
    sys.exit(failed)


def rejects(function: Callable[[], object], *kinds: type[BaseException], word: str = "") -> None:
    """Assert that ``function`` raises one of ``kinds``, with ``word`` in its message."""
    try:
        function()
    except kinds as e:
        assert word in str(e), str(e)
    else:
        raise AssertionError("nothing was raised")
