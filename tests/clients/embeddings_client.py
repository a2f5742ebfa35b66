"""OpenAI's, LangChain's and LiteLLM's clients of embeddings: python embeddings_client.py BASE_URL."""

import asyncio
import math
import sys
from collections.abc import Sequence
from typing import Any

import litellm
import openai
from checks import rejects, run
from langchain_openai import OpenAIEmbeddings

TEXTS = ["the weather is lovely today", "it is so sunny outside", "he drove to the stadium"]
BASE_URL = f"{sys.argv[1]}/v1"
client = openai.OpenAI(base_url=BASE_URL, api_key="none", max_retries=0, timeout=120)


def is_unit(vectors: Sequence[Sequence[float]], count: int = len(TEXTS)) -> bool:
    """Return true for ``count`` vectors with equally many elements and of length 1."""
    lengths = [math.fsum(value * value for value in vector) for vector in vectors]
    equal = len({len(vector) for vector in vectors}) == 1
    return len(vectors) == count and equal and all(math.isclose(length, 1, abs_tol=1e-4) for length in lengths)


def cold_start() -> None:
    """Embed texts before the model is loaded. The default encoding is base64."""
    assert is_unit([entry.embedding for entry in client.embeddings.create(model="any", input=TEXTS).data])


def embeddings() -> None:
    """Embed texts and tokens, alone and several, in both encodings and cut to fewer dimensions."""
    reply = client.embeddings.create(model="any", input=TEXTS)
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 0
    floats = client.embeddings.create(model="any", input=TEXTS, encoding_format="float")
    for one, other in zip(reply.data, floats.data, strict=True):
        assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(one.embedding, other.embedding, strict=True))
    (short,) = client.embeddings.create(model="any", input=TEXTS[0], dimensions=16).data
    assert len(short.embedding) == 16
    assert is_unit([short.embedding], 1)
    assert is_unit([entry.embedding for entry in client.embeddings.create(model="any", input=[[5, 6], [7]]).data], 2)

    async def embed() -> Any:
        async with openai.AsyncOpenAI(base_url=BASE_URL, api_key="none") as concurrent:
            return await concurrent.embeddings.create(model="any", input=TEXTS)

    assert is_unit([entry.embedding for entry in asyncio.run(embed()).data])

    # The default sends tokens of OpenAI's vocabulary, which other models do not have.
    model = OpenAIEmbeddings(model="any", base_url=BASE_URL, api_key="none", check_embedding_ctx_length=False)
    assert is_unit(model.embed_documents(TEXTS))
    assert is_unit([model.embed_query(TEXTS[0])], 1)

    answer = litellm.embedding("openai/any", input=TEXTS, api_base=BASE_URL, api_key="none")
    assert is_unit([entry["embedding"] for entry in answer.data])


def errors() -> None:
    """Send a text that is too long, no text, and a conversation."""
    long = " ".join(TEXTS * 1000)
    rejects(lambda: client.embeddings.create(model="any", input=long), openai.BadRequestError, word="too large")
    rejects(lambda: client.embeddings.create(model="any", input=[]), openai.BadRequestError, word="input")
    talk: Any = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}]}
    rejects(lambda: client.chat.completions.create(**talk), openai.BadRequestError, word="embedding model")


if __name__ == "__main__":
    run([cold_start, embeddings, errors])
