"""Fields of a request: from a JSON body, a form or the query."""

import json
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from function.errors import FunctionError, RequestError

_FORM = "application/x-www-form-urlencoded"


def json_fields(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object, under any content type. Raises RequestError."""
    return _parse_object(_read(request))


def any_fields(request: Request) -> tuple[dict[str, Any], bool]:
    """Return the fields of a JSON body, a form or the query, and True if their types are JSON's.

    ``curl -d '{"prompt": …}'`` labels its JSON as a form: a body that begins like an object is read as one.
    """
    if request.mimetype == "multipart/form-data":
        return request.form.to_dict() | request.args.to_dict(), False
    body = _read(request)
    if request.mimetype == _FORM and not body.lstrip().startswith(b"{"):
        try:
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict"))
            return fields | request.args.to_dict(), False
        except (UnicodeDecodeError, ValueError):
            raise RequestError("The body is not a UTF-8 form.") from None
    if not body.strip():
        return request.args.to_dict(), False
    return request.args.to_dict() | _parse_object(body), True


def _read(request: Request) -> bytes:
    """Return the body. Werkzeug cuts a body without a length at the limit; such a one is rejected here."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RequestError("The body is compressed. Send it without a Content-Encoding.")
    try:
        data = request.get_data()
    except (HTTPException, FunctionError):
        raise
    except Exception as e:  # each server has its own exceptions for a truncated or badly framed body
        raise RequestError(f"The body could not be read: {type(e).__name__}.") from e
    if request.content_length is None and len(data) == request.max_content_length:
        raise RequestEntityTooLarge
    return data


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body, parse_constant=_reject_constant)
    except json.JSONDecodeError as e:
        raise RequestError(f"The body is not JSON: {e}.") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as e:
        raise RequestError(f"The body is not readable JSON: {type(e).__name__}.") from None
    if not isinstance(value, dict):
        raise RequestError("The body must be a JSON object.")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
