"""Renewal of the state that instance copies must not share.

Lambda's SnapStart initialises one process, and starts each instance as a copy of its memory: with its seeds, its key,
its clocks and its counts. The owner of such state registers the function that renews it. docs/deploy.md lists the rest.
"""

import os
from collections.abc import Callable

SEED_BYTES = 32


class Renewals:
    """Functions that renew state, by its name. Seeds are the first."""

    def __init__(self) -> None:
        self._functions: dict[str, Callable[[], None]] = {"seeds": renew_seeds}

    def add(self, state: str, renew: Callable[[], None]) -> None:
        """Register ``renew`` for the state with this name."""
        self._functions[state] = renew

    def run(self) -> list[str]:
        """Renew everything, in the order of registration; return the names."""
        for renew in self._functions.values():
            renew()
        return list(self._functions)


def renew_seeds() -> None:
    """Seed the generators in this process's memory from the kernel's, which each virtual machine has for itself."""
    import random  # imported late: a cold start imports this module
    import ssl

    random.seed()
    ssl.RAND_add(os.urandom(SEED_BYTES), SEED_BYTES)
