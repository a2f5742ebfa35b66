"""Vectors and scores in the shapes of OpenAI's, Jina's and Cohere's APIs. Pure."""

import base64
import math
import sys
from array import array
from collections.abc import Sequence
from typing import Any, Literal

Object = dict[str, Any]
Vector = Sequence[float]


def embedding_list(
    vectors: Sequence[Vector], *, model: str, tokens: int, encoding: Literal["float", "base64"], dimensions: int | None
) -> Object:
    """Return OpenAI's list of embeddings: each vector cut to ``dimensions`` elements and then of length 1."""
    data = []
    for index, vector in enumerate(vectors):
        unit = normalize(vector[:dimensions])
        data.append({"object": "embedding", "index": index, "embedding": encode(unit, encoding)})
    return {"object": "list", "data": data, "model": model, "usage": usage_object(tokens)}


def normalize(vector: Vector) -> "array[float]":
    """Return ``vector`` scaled to length 1; zeros stay zeros."""
    length = math.sqrt(sum(value * value for value in vector))
    return array("f", [value / length for value in vector] if length else vector)


def encode(vector: "array[float]", encoding: Literal["float", "base64"]) -> str | list[float]:
    """Return ``vector`` as numbers with the 9 digits of a 32-bit float, or as its little-endian bytes in base64."""
    if encoding == "float":
        return [float(f"{value:.9g}") for value in vector]
    if sys.byteorder == "big":
        vector = array("f", vector)
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()


def rank_documents(logits: Sequence[float], *, probabilities: bool, top_n: int | None) -> list[tuple[int, float]]:
    """Return the index and score of the ``top_n`` best documents, the best first, by ``logits`` of all.

    Scores are probabilities if requested, else the logits.
    """
    scores = [sigmoid(value) for value in logits] if probabilities else logits
    return sorted(enumerate(scores), key=lambda entry: -entry[1])[:top_n]


def sigmoid(value: float) -> float:
    """Return the probability of a logit."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def rerank_list(
    ranking: Sequence[tuple[int, float]], *, model: str, tokens: int, documents: Sequence[str] | None
) -> Object:
    """Return Jina's and Cohere's results, with the ``documents`` if the request asked for them."""
    results: list[Object] = [{"index": index, "relevance_score": score} for index, score in ranking]
    if documents is not None:
        for entry in results:
            entry["document"] = {"text": documents[entry["index"]]}
    return {"object": "list", "results": results, "model": model, "usage": usage_object(tokens)}


def ranked_texts(ranking: Sequence[tuple[int, float]], texts: Sequence[str] | None) -> list[Object]:
    """Return the results of Text Embeddings Inference, with the ``texts`` if the request asked for them."""
    return [
        {"index": index, "score": score} | ({} if texts is None else {"text": texts[index]}) for index, score in ranking
    ]


def usage_object(tokens: int) -> Object:
    """Return the usage of a request that generates nothing."""
    return {"prompt_tokens": tokens, "total_tokens": tokens}
