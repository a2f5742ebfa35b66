"""Structured output that every client asks for. Clients import it in their own environments, which have pydantic."""

from typing import Literal

import pydantic


class Verdict(pydantic.BaseModel):
    """Structured output that is short with any model."""

    sure: bool
    grade: Literal["good", "bad"]
