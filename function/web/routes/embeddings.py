"""The endpoints of embedding models and rerankers."""

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request

from function.errors import RequestError
from function.lifecycle.service import Service

if TYPE_CHECKING:
    from function.engine import EmbeddingEngine
    from function.web.request.embedding import EmbeddingRequest, Input


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service. What they need is imported by the first request for it."""
    routes = Blueprint("embeddings", __name__)

    @routes.post("/v1/embeddings")
    def embeddings() -> dict[str, Any]:
        from function.web.embedding_stream import EmbeddingStream
        from function.web.reply.embeddings import embedding_list
        from function.web.request.embedding import EmbeddingRequest

        body = EmbeddingRequest.from_json(request)
        stream = EmbeddingStream(service, body, lambda engine: _embedding_inputs(engine, body), param="input")
        results = stream.run()
        reply = embedding_list(
            results.values,
            model=service.name,
            tokens=results.tokens,
            encoding=body.encoding_format,
            dimensions=body.dimensions,
        )
        return reply | stream.exchange.receipt_block()

    @routes.post("/v1/rerank")
    def rerank() -> dict[str, Any] | Response:
        from function.engine import EmbeddingEngine
        from function.web.embedding_stream import EmbeddingStream
        from function.web.reply.embeddings import rank_documents, ranked_texts, rerank_list
        from function.web.request.embedding import RerankRequest

        body = RerankRequest.from_json(request)
        documents = body.document_texts

        def pairs(engine: EmbeddingEngine) -> list[tuple[int, ...]]:
            return [engine.tokenize_pair(body.query, document) for document in documents]

        param = "documents" if body.texts is None else "texts"
        stream = EmbeddingStream(service, body, pairs, param=param, scores=True)
        results = stream.run()
        engine = service.engine
        assert isinstance(engine, EmbeddingEngine)
        ranking = rank_documents(
            [values[0] for values in results.values],
            probabilities=not (body.raw_scores or engine.scores_are_probabilities),
            top_n=body.top_n,
        )
        if body.texts is not None:
            return jsonify(ranked_texts(ranking, documents if body.return_text else None))
        shown = documents if body.return_documents else None
        reply = rerank_list(ranking, model=service.name, tokens=results.tokens, documents=shown)
        return reply | stream.exchange.receipt_block()

    return routes


def _embedding_inputs(engine: "EmbeddingEngine", body: "EmbeddingRequest") -> list[tuple[int, ...]]:
    if body.dimensions is not None and body.dimensions > engine.n_embd:
        raise RequestError(
            f"dimensions: the model's vectors have {engine.n_embd} elements, not {body.dimensions}.",
            param="dimensions",
        )
    return [_tokens(engine, given) for given in body.input]


def _tokens(engine: "EmbeddingEngine", given: "Input") -> tuple[int, ...]:
    """Return the tokens of an input; special tokens are added unless it is tokens alone."""
    if not isinstance(given, list):
        text = given if isinstance(given, str) else given.text
        return tuple(engine.tokenize(text, add_special=True, parse_special=True))
    if not any(isinstance(piece, str) for piece in given):
        return tuple(piece for piece in given if isinstance(piece, int))
    pieces = (
        engine.tokenize(piece, add_special=False, parse_special=True) if isinstance(piece, str) else [piece]
        for piece in given
    )
    return engine.frame([token for piece in pieces for token in piece])
