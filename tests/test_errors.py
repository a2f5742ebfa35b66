import inspect
import io
import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function import errors
from function.errors import FunctionError, redact
from function.observability.log_format import JsonLines, PlainLines

MARK = "S3CR3T"
TEXTS = st.text(st.sampled_from("aZ09@:/?#%&=+,;.!*'()[]{}|\\^`~-_$é℀中"), max_size=6)
SECRETS = st.builds(lambda before, after: before + MARK + after, TEXTS, TEXTS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://user:secret@host/z is unknown", "ftp://…@host/z is unknown"),
        ("https://host/m.gguf?X-Amz-Signature=secret&a=b gave 403", "https://host/m.gguf?… gave 403"),
        ("Where is it? Set MODEL_URI=s3://bucket/m.gguf.", "Where is it? Set MODEL_URI=s3://bucket/m.gguf."),
        ("http://u:p@ss@h: no", "http://…@h: no"),
        ("http://u:p@ss/w@h/m: no", "http://…@h/m: no"),
        ("http://u:p?ss@h/m: no", "http://…: no"),
        ("https://h/m?SECRET, or https://h/m#k=SECRET.", "https://h/m?…, or https://h/m#…."),
        ("HTTPS://h/m?SECRET", "HTTPS://h/m?…"),
        ("['https://h/m?a', 'https://h/n?b']", "['https://h/m?…', 'https://h/n?…']"),
        ('{"uri": "https://u:p@h/m?a=b", "n": 1}', '{"uri": "https://…@h/m?…", "n": 1}'),
        ("hf://owner/name@main/m.gguf: no", "hf://owner/name@main/m.gguf: no"),
        ("s3://AKIA:abc/def@bucket/m.gguf: no", "s3://…@bucket/m.gguf: no"),
        ("s3://b/k,http://u:p@h/m", "s3://b/k,http://…@h/m"),
        ("GET /m?sig=SECRET HTTP/1.1", "GET /m?… HTTP/1.1"),
        ("Is it at https://h/m?", "Is it at https://h/m?"),
    ],
)
def test_redact_removes_the_secrets_of_a_uri(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert str(FunctionError(text)) == FunctionError(text).body()["error"]["message"] == shown


@given(
    secret=SECRETS,
    place=st.sampled_from(["{}:p@host/m.gguf", "u:{}@host/m.gguf", "host/m.gguf?{}", "host/m.gguf#{}", "host?a&{}"]),
    scheme=st.sampled_from(["http", "https", "ftp", "s3", "gs", "hf"]),
    context=st.sampled_from(["{}", "{}: no", "'{}'", "({})", "x={}, y", "a b {} c d"]),
)
def test_secret_in_a_uri_is_in_no_error_and_no_log_line(secret: str, place: str, scheme: str, context: str) -> None:
    if place.startswith("{}") and scheme in ("s3", "gs", "hf"):
        secret = secret.replace("/", "")  # a path starts there, and an @ in a path is an ordinary character
    text = context.format(f"{scheme}://{place.format(secret)}")
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%s", (text,), None)
    record.uri = text
    shown = [redact(text), str(FunctionError(text)), json.dumps(FunctionError(text).body())]
    shown += [PlainLines(io.StringIO()).format(record), JsonLines().format(record)]
    assert not [one for one in shown if MARK in one]
    assert json.loads(shown[-1])["severity"] == "INFO"


@pytest.mark.parametrize("text", ["a" * 1_000_000, "?" * 1_000_000, "a://" * 250_000, "http://" + "@?" * 500_000])
def test_redact_takes_linear_time(text: str) -> None:
    """Quadratic time would be hours, beyond the time limit of the tests."""
    redact(text)


def test_error_tree_in_the_docstring_is_complete() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or "")) | {"FunctionError"}
    defined = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FunctionError)}
    assert drawn == defined
