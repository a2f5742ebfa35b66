"""How a prompt may be given that is no conversation: a text, tokens, or a list of just one of them."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from function.web.request.base_model import Unicode

Token = Annotated[int, Field(ge=0, lt=2**31)]


def _only_one(prompt: Any) -> Any:
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], (str, list)):
        if len(prompt) > 1:
            raise ValueError("a request can have one prompt; send the others by themselves")
        return prompt[0]
    return prompt


_ONE = Field(min_length=1, max_length=1)
OnePrompt = Annotated[
    Unicode | list[Token],
    BeforeValidator(
        _only_one,
        json_schema_input_type=str | list[Token] | Annotated[list[str], _ONE] | Annotated[list[list[Token]], _ONE],
    ),
]
"""A text or its tokens, or a list of just one of them."""
