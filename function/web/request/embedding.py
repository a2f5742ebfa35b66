"""Bodies of /v1/embeddings and /v1/rerank, as pydantic models."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from function.errors import RequestError
from function.web.request.base_model import RequestModel, Unicode
from function.web.request.schema import Token

MAX_INPUTS = 2048
"""OpenAI's limit."""


class InputPart(RequestModel):
    """Text part of an input. Images and sounds cannot be embedded."""

    type: Literal["text", "input_text"]
    text: Unicode


class InputObject(RequestModel):
    """Input as an object: the text in ``prompt_string``, or in parts whose texts are joined."""

    prompt_string: Unicode | None = None
    content: list[InputPart] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        if (self.prompt_string is None) == (self.content is None):
            raise ValueError('it needs either "prompt_string" or "content"')
        return self

    @property
    def text(self) -> str:
        """The text to embed."""
        return self.prompt_string or "".join(part.text for part in self.content or ())


Input = Unicode | list[Token | Unicode] | InputObject
"""A text, its tokens, or tokens and texts in turn."""


def _is_token(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _listed(given: Any) -> Any:
    """Return a single input as a list of it. A list with a number in it is a single input."""
    return given if isinstance(given, list) and not any(map(_is_token, given)) else [given]


Inputs = Annotated[
    list[Input],
    Field(min_length=1, max_length=MAX_INPUTS),
    BeforeValidator(
        _listed,
        json_schema_input_type=(
            Unicode
            | InputObject
            | Annotated[list[Token], Field(min_length=1)]
            | Annotated[
                list[Unicode | InputObject | Annotated[list[Token], Field(min_length=1)]],
                Field(min_length=1, max_length=MAX_INPUTS),
            ]
        ),
    ),
]


class EmbeddingRequest(RequestModel):
    """Body of /v1/embeddings. Texts get the special tokens that the model expects; tokens are used as they are."""

    WITHOUT_EFFECT = ("user",)
    UNSUPPORTED: ClassVar = {
        "embd_normalize": (2,), "normalize": (True,), "normalized": (True,), "output_dtype": ("float",),
        "embedding_type": ("float",), "late_chunking": (False,), "task": (),
    }  # fmt: skip

    model: str = ""
    input: Inputs
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, ge=1, le=1 << 20)


class DocumentObject(RequestModel):
    """Document as an object."""

    text: Unicode


Documents = Annotated[list[Unicode | DocumentObject], Field(min_length=1, max_length=MAX_INPUTS)]


class RerankRequest(RequestModel):
    """Body of /v1/rerank: ``documents`` as for Jina and Cohere, or ``texts`` as for Text Embeddings Inference.

    Scores are from 0 to 1 unless ``raw_scores``.
    """

    WITHOUT_EFFECT = ("user",)
    UNSUPPORTED: ClassVar = {"rank_fields": (["text"],)}

    model: str = ""
    query: Unicode
    documents: Documents | None = None
    texts: Documents | None = None
    top_n: int | None = Field(None, ge=1)
    return_documents: bool = False
    return_text: bool = False
    raw_scores: bool = False

    @model_validator(mode="after")
    def _check_documents(self) -> Self:
        if (self.documents is None) == (self.texts is None):
            raise RequestError(
                'documents: send a list of texts, either as "documents" or as "texts".', param="documents"
            )
        return self

    @property
    def document_texts(self) -> list[str]:
        """The texts of the documents."""
        given = self.texts if self.documents is None else self.documents
        return [entry if isinstance(entry, str) else entry.text for entry in given or ()]
