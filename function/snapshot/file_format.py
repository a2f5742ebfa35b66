"""A snapshot as a file. Pure but for the disk.

    magic, 8 bytes │ length of the binding, 4 bytes │ binding, JSON │ state │ SHA-256 of all before, 32 bytes

Nothing of it is believed before its hash is right and its binding is, byte for byte, the one that is expected. What the
state says of itself is for the engine to check (see function/engine/llama/state_layout.py).
"""

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from function.errors import FunctionError

MAGIC = b"GGUFSNP1"
"""The format and its version."""
HEAD = len(MAGIC) + 4
DIGEST = 32
LARGEST_BINDING = 1 << 16

SnapshotBinding = Mapping[str, str | int]


class SnapshotMismatch(FunctionError):
    """A snapshot that is not used, and why. The prompt is read the ordinary way."""

    code = "snapshot_unfit"


def write(path: Path, binding: SnapshotBinding, state: bytes | bytearray | memoryview) -> None:
    """Write a snapshot; it bears its name only once it is whole."""
    part = path.with_name(f"{path.name}.{os.urandom(6).hex()}.part")
    head = _packed(binding)
    hashed = hashlib.sha256(head)
    hashed.update(state)
    try:
        with part.open("wb") as file:
            file.write(head)
            file.write(state)
            file.write(hashed.digest())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path, binding: SnapshotBinding) -> memoryview:
    """The state in a snapshot bound as expected, in memory of its own that is the file's. Raises Unfit."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < HEAD + DIGEST:
                raise SnapshotMismatch(f"it has {size} bytes, too few for a snapshot")
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except OSError as e:
        raise SnapshotMismatch(f"it cannot be read ({e.strerror})") from e
    if view[: len(MAGIC)] != MAGIC:
        raise SnapshotMismatch("it is no snapshot, or one of another version of the format")
    length = int(struct.unpack_from("<I", view, len(MAGIC))[0])
    if length > LARGEST_BINDING or HEAD + length + DIGEST > size:
        raise SnapshotMismatch("it is cut")
    if hashlib.sha256(view[:-DIGEST]).digest() != view[-DIGEST:]:
        raise SnapshotMismatch("it is cut or damaged: its hash is another")
    expected = _packed(binding)
    if view[: HEAD + length] != expected:
        raise SnapshotMismatch(f"it was made with another {_difference(bytes(view[HEAD : HEAD + length]), binding)}")
    return view[HEAD + length : -DIGEST]


def _packed(binding: SnapshotBinding) -> bytes:
    text = json.dumps(binding, sort_keys=True).encode()
    return MAGIC + struct.pack("<I", len(text)) + text


def _difference(stored: bytes, binding: SnapshotBinding) -> str:
    """The names of what differs."""
    try:
        found = json.loads(stored)
        names = [name for name, value in binding.items() if found.get(name) != value]
    except (ValueError, AttributeError, RecursionError):
        names = []
    return ", ".join(names) or "binding"
