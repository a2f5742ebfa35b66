"""File format of a snapshot. Pure except for the file itself.

    magic, 8 bytes │ length of the binding, 4 bytes │ binding, JSON │ state │ SHA-256 of everything before, 32 bytes

A file is rejected unless its hash is correct and its binding is the expected one, byte for byte. The engine verifies
the state itself (see function.engine.llama.state_layout).
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
"""Name and version of the format."""
FIXED_BYTES = len(MAGIC) + 4
DIGEST_BYTES = 32
MAX_BINDING_BYTES = 1 << 16

SnapshotBinding = Mapping[str, str | int]


class SnapshotMismatch(FunctionError):
    """The snapshot is not used, for the reason in the message. The prompt is prefilled instead."""

    code = "snapshot_unfit"


def write(path: Path, binding: SnapshotBinding, state: bytes | bytearray | memoryview) -> None:
    """Write a snapshot atomically."""
    part = path.with_name(f"{path.name}.{os.urandom(6).hex()}.part")
    start = _packed(binding)
    hashed = hashlib.sha256(start)
    hashed.update(state)
    try:
        with part.open("wb") as file:
            file.write(start)
            file.write(state)
            file.write(hashed.digest())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path, binding: SnapshotBinding) -> memoryview:
    """Return the state in a snapshot with this binding, mapped copy-on-write. Raises SnapshotMismatch."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < FIXED_BYTES + DIGEST_BYTES:
                raise SnapshotMismatch(f"it has {size} bytes, too few for a snapshot")
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except OSError as e:
        raise SnapshotMismatch(f"it cannot be read ({e.strerror})") from e
    if view[: len(MAGIC)] != MAGIC:
        raise SnapshotMismatch("it is not a snapshot, or one of another version of the format")
    length = int(struct.unpack_from("<I", view, len(MAGIC))[0])
    if length > MAX_BINDING_BYTES or FIXED_BYTES + length + DIGEST_BYTES > size:
        raise SnapshotMismatch("it is truncated")
    if hashlib.sha256(view[:-DIGEST_BYTES]).digest() != view[-DIGEST_BYTES:]:
        raise SnapshotMismatch("it is truncated or damaged: its hash does not match")
    if view[: FIXED_BYTES + length] != _packed(binding):
        difference = _difference(bytes(view[FIXED_BYTES : FIXED_BYTES + length]), binding)
        raise SnapshotMismatch(f"it was made with another {difference}")
    return view[FIXED_BYTES + length : -DIGEST_BYTES]


def _packed(binding: SnapshotBinding) -> bytes:
    text = json.dumps(binding, sort_keys=True).encode()
    return MAGIC + struct.pack("<I", len(text)) + text


def _difference(stored: bytes, binding: SnapshotBinding) -> str:
    """Return the names of the values that differ."""
    try:
        found = json.loads(stored)
        names = [name for name, value in binding.items() if found.get(name) != value]
    except (ValueError, AttributeError, RecursionError):
        names = []
    return ", ".join(names) or "binding"
