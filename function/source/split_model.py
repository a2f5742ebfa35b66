"""The names of a split model's files: ``name-00001-of-00003.gguf`` and so on, as llama.cpp writes and finds them."""

import re

_PART = re.compile(r"-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf(?:\?.*)?)$")
MOST = 1000  # files; no model has so many, and a mistyped name should not become a thousand questions


def parts(uri: str) -> tuple[str, ...]:
    """The URIs of all files of the model that ``uri`` is a file of, in order; just ``uri`` if it is not split."""
    found = _PART.search(uri)
    if found is None:
        return (uri,)
    count = int(found["count"])
    if not 1 <= int(found["number"]) <= count <= MOST:
        return (uri,)
    return tuple(f"{uri[: found.start()]}-{n:05}-of-{count:05}{found['end']}" for n in range(1, count + 1))
