"""A request's fields, however they were sent."""

import json
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from function.errors import FunctionError, RequestError

_FORM = "application/x-www-form-urlencoded"


def json_fields(request: Request) -> dict[str, Any]:
    """The body as a JSON object, whatever its content type says. Raises RequestError."""
    return _object(_data(request))


def any_fields(request: Request) -> tuple[dict[str, Any], bool]:
    """The fields of a JSON body, a form or the query, and whether their types are JSON's.

    ``curl -d '{"prompt": …}'`` calls its JSON a form; what begins like an object is taken as one.
    """
    if request.mimetype == "multipart/form-data":
        return request.form.to_dict() | request.args.to_dict(), False
    body = _data(request)
    if request.mimetype == _FORM and not body.lstrip().startswith(b"{"):
        try:
            return dict(
                parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
            ) | request.args.to_dict(), False
        except (UnicodeDecodeError, ValueError):
            raise RequestError("The body is not a form in UTF-8.") from None
    if not body.strip():
        return request.args.to_dict(), False
    return request.args.to_dict() | _object(body), True


def _data(request: Request) -> bytes:
    """The body. One that does not say its length is only cut at the limit by werkzeug."""
    try:
        data = request.get_data()
    except (HTTPException, FunctionError):
        raise
    except Exception as e:  # each server has its own kinds for a body that is broken off or badly framed
        raise RequestError(f"The body could not be read: {type(e).__name__}.") from e
    if request.content_length is None and len(data) == request.max_content_length:
        raise RequestEntityTooLarge
    return data


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body, parse_constant=_constant)
    except json.JSONDecodeError as e:
        raise RequestError(f"The body is not JSON: {e}.") from None
    except (UnicodeDecodeError, RecursionError, ValueError) as e:
        raise RequestError(f"The body is not JSON that can be read: {type(e).__name__}.") from None
    if not isinstance(value, dict):
        raise RequestError("The body must be a JSON object.")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
