"""Processes that a server started."""

from pathlib import Path


def descendants(process: int) -> list[int]:
    """Return the living descendants of ``process``, parents first; zombies do not count."""
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(rest[1]) == process and rest[0] != "Z":
            found += [number, *descendants(number)]
    return found


def alive(process: int) -> bool:
    """Return True if ``process`` runs; a zombie does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
