import inspect
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import errors
from function.errors import FunctionError, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://user:secret@host/z is unknown", "ftp://…@host/z is unknown"),
        ("https://host/m.gguf?X-Amz-Signature=secret&a=b says 403", "https://host/m.gguf?… says 403"),
        ("https://host/m.gguf?secret: no such object", "https://host/m.gguf?… no such object"),
        ("https://host/m.gguf#k=secret is no model", "https://host/m.gguf#… is no model"),
        ("no connection for url: /m.gguf?sig=secret (refused)", "no connection for url: /m.gguf?… (refused)"),
        ("http://u:s@cr/et@host:80/m.gguf: refused", "http://…@host:80/m.gguf: refused"),
        ("hf://org/repo@main/m.gguf: no such object", "hf://org/repo@main/m.gguf: no such object"),
        ("Where is it? Set MODEL_URI=s3://bucket/m.gguf.", "Where is it? Set MODEL_URI=s3://bucket/m.gguf."),
    ],
)
def test_secrets_of_a_uri_are_not_shown(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert str(FunctionError(text)) == FunctionError(text).body()["error"]["message"] == shown


ANY = st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters=' "'), max_size=8)


@given(
    ANY, ANY, st.sampled_from(["user", "password", "query", "fragment"]), st.sampled_from(["http", "HTTPS", "https"])
)
def test_a_secret_is_shown_wherever_in_a_uri_it_is_by_nobody(before: str, after: str, where: str, scheme: str) -> None:
    secret = f"{before}5ECRET{after}"
    uri = {
        "user": f"{scheme}://{secret}@host/m.gguf",
        "password": f"{scheme}://user:{secret}@host/m.gguf",
        "query": f"{scheme}://host/m.gguf?{secret}",
        "fragment": f"{scheme}://host/m.gguf#{secret}",
    }[where]
    line = json.dumps({"message": f'{uri}: "{uri}" is none', "code": "x"}, ensure_ascii=False)
    assert "5ECRET" not in redact(uri)
    assert "5ECRET" not in redact(line)
    assert json.loads(redact(line))["code"] == "x", "it is JSON still"


def test_the_tree_in_the_documentation_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or "")) | {"FunctionError"}
    defined = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FunctionError)}
    assert drawn == defined
