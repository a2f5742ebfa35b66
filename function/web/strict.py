"""What all models of requests are made from."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator


def _encodable(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is not a character")
    return text


Unicode = Annotated[str, AfterValidator(_encodable)]


class Strict(BaseModel):
    """Unknown fields are errors: what is not understood is said, never ignored.

    Null counts as not given, as in OpenAI's API: clients send a reply back as they got it, its nulls included.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given
