"""Clients of embeddings and reranking, as far as they are installed: python embeddings_client.py BASE_URL [KEY].

The function serves an embedding model or a reranker; the checks are those of its kind. Clients: openai,
langchain-openai and litellm for embeddings; cohere, litellm and langchain-cohere for reranking.
"""

import asyncio
import json
import math
import sys
import urllib.request
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

TEXTS = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
QUERY = "sun"


def check_unit(vectors: Sequence[Sequence[float]], count: int = len(TEXTS)) -> None:
    """Check that there are ``count`` vectors of one length, and that each is of length 1."""
    assert len(vectors) == count
    assert len({len(vector) for vector in vectors}) == 1
    for vector in vectors:
        assert math.isclose(sum(value * value for value in vector), 1, abs_tol=1e-4)


def check_openai(base_url: str, key: str) -> None:
    """Embed texts and tokens with OpenAI's client, whose default encoding is base64."""
    import openai

    client = openai.OpenAI(base_url=f"{base_url}/v1", api_key=key, max_retries=0)
    reply = client.embeddings.create(model="any", input=TEXTS)
    default = [entry.embedding for entry in reply.data]
    check_unit(default)
    assert reply.usage.prompt_tokens == reply.usage.total_tokens > 0
    floats = client.embeddings.create(model="any", input=TEXTS, encoding_format="float")
    assert all(
        math.isclose(a, b, abs_tol=1e-6)
        for entry, vector in zip(floats.data, default, strict=True)
        for a, b in zip(entry.embedding, vector, strict=True)
    )
    short = client.embeddings.create(model="any", input=TEXTS[0], dimensions=16)
    check_unit([short.data[0].embedding], 1)
    assert len(short.data[0].embedding) == 16
    check_unit([entry.embedding for entry in client.embeddings.create(model="any", input=[[5, 6], [7]]).data], 2)
    for wrong, code in ((TEXTS[0] * 5000, "context_length_exceeded"), ([], "invalid_request")):
        try:
            client.embeddings.create(model="any", input=wrong)
        except openai.BadRequestError as e:
            assert e.code == code, e
        else:
            raise AssertionError(code)
    try:
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": "Hi"}])
    except openai.BadRequestError as e:
        assert e.code == "wrong_model_kind"
        assert "embedding model" in e.message

    async def embed() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{base_url}/v1", api_key=key) as client:
            return await client.embeddings.create(model="any", input=TEXTS)

    check_unit([entry.embedding for entry in asyncio.run(embed()).data])


def check_langchain_openai(base_url: str, key: str) -> None:
    """Embed texts with LangChain. Its default sends tokens of OpenAI's vocabulary, which other models do not have."""
    from langchain_openai import OpenAIEmbeddings  # type: ignore[import-not-found]

    model = OpenAIEmbeddings(model="any", base_url=f"{base_url}/v1", api_key=key, check_embedding_ctx_length=False)
    check_unit(model.embed_documents(TEXTS))
    check_unit([model.embed_query(TEXTS[0])], 1)


def check_litellm(base_url: str, key: str) -> None:
    """Embed texts with LiteLLM."""
    import litellm  # type: ignore[import-not-found]

    reply = litellm.embedding("openai/any", input=TEXTS, api_base=f"{base_url}/v1", api_key=key)
    check_unit([entry["embedding"] for entry in reply.data])


def check_ranking(results: Sequence[tuple[int, float]]) -> None:
    """Check that the documents are in order of their scores."""
    assert sorted(index for index, _ in results) == list(range(len(TEXTS)))
    scores = [score for _, score in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def check_cohere(base_url: str, key: str) -> None:
    """Rank documents with both versions of Cohere's client."""
    import cohere  # type: ignore[import-not-found]

    reply = cohere.ClientV2(key, base_url=base_url).rerank(model="any", query=QUERY, documents=TEXTS)
    check_ranking([(entry.index, entry.relevance_score) for entry in reply.results])
    old = cohere.Client(key, base_url=base_url).rerank(
        model="any", query=QUERY, documents=TEXTS, top_n=2, return_documents=True
    )
    assert [entry.index for entry in old.results] == [entry.index for entry in reply.results][:2]
    assert old.results[0].document is not None
    assert old.results[0].document.text == TEXTS[old.results[0].index]


def check_litellm_rerank(base_url: str, key: str) -> None:
    """Rank documents with LiteLLM, as Jina, Cohere and vLLM do."""
    import litellm  # type: ignore[import-not-found]

    for provider, base in (("jina_ai", base_url), ("cohere", f"{base_url}/v2/rerank"), ("hosted_vllm", base_url)):
        reply = litellm.rerank(f"{provider}/any", query=QUERY, documents=TEXTS, api_base=base, api_key=key)
        check_ranking([(entry["index"], entry["relevance_score"]) for entry in reply.results or ()])


def check_langchain_cohere(base_url: str, key: str) -> None:
    """Rank documents with LangChain's class for Cohere."""
    from langchain_cohere import CohereRerank  # type: ignore[import-not-found]

    ranker = CohereRerank(model="any", cohere_api_key=key, base_url=base_url, top_n=3)
    check_ranking([(entry["index"], entry["relevance_score"]) for entry in ranker.rerank(TEXTS, QUERY)])


Check = Callable[[str, str], None]
CHECKS: dict[str, dict[str, Check]] = {
    "embedding": {
        "openai": check_openai,
        "langchain_openai": check_langchain_openai,
        "litellm": check_litellm,
    },
    "reranker": {
        "cohere": check_cohere,
        "litellm": check_litellm_rerank,
        "langchain_cohere": check_langchain_cohere,
    },
}


def main(base_url: str, key: str = "none") -> None:
    """Run the checks of the served kind whose packages are installed; at least one must be."""
    base_url = base_url.rstrip("/").removesuffix("/v1")
    request = urllib.request.Request(f"{base_url}/v1/models", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request) as response:
        kind = json.load(response)["data"][0]["kind"]
    installed = {name: check for name, check in CHECKS[kind].items() if find_spec(name)}
    assert installed, f"none of {', '.join(CHECKS[kind])} is installed"
    for name, check in installed.items():
        check(base_url, key)
        sys.stdout.write(f"{name}: {kind}: ok\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
