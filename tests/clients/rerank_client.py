"""Cohere's, LiteLLM's and LangChain's clients of reranking: python rerank_client.py BASE_URL."""

import sys
from collections.abc import Sequence

import cohere
import litellm
from checks import rejects, run
from langchain_cohere import CohereRerank

DOCUMENTS = ["the weather is lovely today", "it is so sunny outside", "he drove to the stadium"]
QUERY = "sun"
BASE_URL = sys.argv[1]
client = cohere.ClientV2("none", base_url=BASE_URL)


def is_ranking(results: Sequence[tuple[int, float]]) -> bool:
    """Return true for all documents in the order of their scores, which are from 0 to 1."""
    scores = [score for _, score in results]
    complete = sorted(index for index, _ in results) == list(range(len(DOCUMENTS)))
    return complete and scores == sorted(scores, reverse=True) and all(0 <= score <= 1 for score in scores)


def cold_start() -> None:
    """Rank documents before the model is loaded."""
    reply = client.rerank(model="any", query=QUERY, documents=DOCUMENTS)
    assert is_ranking([(entry.index, entry.relevance_score) for entry in reply.results])


def rerank() -> None:
    """Rank documents with both of Cohere's APIs, with three of LiteLLM's providers, and with LangChain."""
    best = [entry.index for entry in client.rerank(model="any", query=QUERY, documents=DOCUMENTS, top_n=2).results]
    first = cohere.Client("none", base_url=BASE_URL)
    reply = first.rerank(model="any", query=QUERY, documents=DOCUMENTS, top_n=2, return_documents=True)
    assert [entry.index for entry in reply.results] == best
    assert reply.results[0].document is not None
    assert reply.results[0].document.text == DOCUMENTS[best[0]]

    for provider, base in (("jina_ai", BASE_URL), ("cohere", f"{BASE_URL}/v2/rerank"), ("hosted_vllm", BASE_URL)):
        answer = litellm.rerank(f"{provider}/any", query=QUERY, documents=DOCUMENTS, api_base=base, api_key="none")
        assert is_ranking([(entry["index"], entry["relevance_score"]) for entry in answer.results or ()])

    ranker = CohereRerank(model="any", cohere_api_key="none", base_url=BASE_URL, top_n=len(DOCUMENTS))
    assert is_ranking([(entry["index"], entry["relevance_score"]) for entry in ranker.rerank(DOCUMENTS, QUERY)])


def errors() -> None:
    """Send no documents, and a document that is too long."""
    rejects(lambda: client.rerank(model="any", query=QUERY, documents=[]), cohere.BadRequestError, word="documents")
    long = [" ".join(DOCUMENTS * 1000)]
    rejects(lambda: client.rerank(model="any", query=QUERY, documents=long), cohere.BadRequestError, word="too large")


if __name__ == "__main__":
    run([cold_start, rerank, errors])
