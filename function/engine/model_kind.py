"""Requests by the kind of model that they need. Pure."""

from function.errors import WrongModelKind
from function.gguf import Kind

_NAMES: dict[Kind, str] = {
    "chat": "a chat model, which writes text",
    "embedding": "an embedding model, which makes vectors of texts",
    "reranker": "a reranker, which scores documents for a query",
}
_USES: dict[Kind, str] = {
    "chat": "Chat with POST /v1/chat/completions",
    "embedding": "Send texts to POST /v1/embeddings",
    "reranker": "Send a query and documents to POST /v1/rerank",
}
_NEEDED: dict[Kind, str] = {"chat": "a chat model", "embedding": "an embedding model", "reranker": "a reranker"}


def describe_kind(kind: Kind) -> str:
    """Return a sentence about a model of this ``kind``, and one about its use."""
    return f"The loaded model is {_NAMES[kind]}. {_USES[kind]}."


def require_kind(loaded: Kind, needed: Kind) -> None:
    """Raise WrongModelKind, with a remedy, if the ``loaded`` model is not of the ``needed`` kind."""
    if loaded != needed:
        remedy = f", or set MODEL_URI to {_NEEDED[needed]}."
        raise WrongModelKind(describe_kind(loaded).removesuffix(".") + remedy, loaded=loaded, needed=needed)
