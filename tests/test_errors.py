import inspect
import re

import pytest

from function import errors
from function.errors import FunctionError, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://user:secret@host/z is unknown", "ftp://…@host/z is unknown"),
        ("https://host/m.gguf?X-Amz-Signature=secret&a=b says 403", "https://host/m.gguf?… says 403"),
        ("Where is it? Set MODEL_URI=s3://bucket/m.gguf.", "Where is it? Set MODEL_URI=s3://bucket/m.gguf."),
    ],
)
def test_secrets_of_a_uri_are_not_shown(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert str(FunctionError(text)) == FunctionError(text).body()["error"]["message"] == shown


def test_the_tree_in_the_documentation_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or "")) | {"FunctionError"}
    defined = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FunctionError)}
    assert drawn == defined
