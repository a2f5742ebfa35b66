"""Files of a split model: ``name-00001-of-00003.gguf`` and so on, as llama.cpp writes and finds them."""

import hashlib
import re
from collections.abc import Sequence

from function.source.base import ObjectInfo
from function.source.checksum import choose_algorithm, stated_digest

MAX_PARTS = 1000  # no model has more, and a mistyped name must not cause a thousand requests
VERSION_DIGITS = 32  # hexadecimal: 128 bits exclude an accidental collision
_PART = re.compile(r"-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf(?:\?.*)?)$")


def list_parts(uri: str) -> tuple[str, ...]:
    """Return the URIs of all files of the model that ``uri`` belongs to, in order; only ``uri`` if it is not split."""
    found = _PART.search(uri)
    if found is None:
        return (uri,)
    count = int(found["count"])
    if not 1 <= int(found["number"]) <= count <= MAX_PARTS:
        return (uri,)
    return tuple(f"{uri[: found.start()]}-{n:05}-of-{count:05}{found['end']}" for n in range(1, count + 1))


def combine_versions(infos: Sequence[ObjectInfo]) -> str:
    """Return one version for several objects: it differs whenever a URI, a version or a size does."""
    text = "\n".join(f"{info.uri}\0{info.version}\0{info.size}" for info in infos)
    return hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]


def combine_digests(infos: Sequence[ObjectInfo]) -> str | None:
    """Return ``algorithm:hex`` of the concatenated objects, from the stated checksums; None if unknown."""
    algorithm = choose_algorithm(infos[0].checksums)
    if len(infos) == 1:
        return stated_digest(infos[0].checksums)
    if any(algorithm.name not in info.checksums or choose_algorithm(info.checksums) != algorithm for info in infos):
        return None
    check = algorithm.combine_all((int(info.checksums[algorithm.name], 16), info.size or 0) for info in infos)
    return f"{algorithm.name}:{algorithm.format_hex(check)}"
