"""Replies as HTTP responses: one JSON object, server-sent events, or plain text."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from flask import Response, request

from function.dialect.reply_parts import ContentPiece, Part, ReplyReader
from function.engine import Finished, PrefillProgress, TextPiece, Usage
from function.errors import FunctionError, Stopping
from function.web.generation_stream import GenerationStream
from function.web.reply import sse
from function.web.request.client import ClientGone

EVENTS = "text/event-stream"
PROGRESS = "X-Progress"
OFF = ("0", "false", "no", "off")
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
Object = dict[str, Any]


class ReplyFormat(Protocol):
    """Builder of an endpoint's objects."""

    def opening(self) -> Iterable[Object]:
        """Return the first objects of a stream."""

    def pieces(self, text: TextPiece) -> Iterable[Object]:
        """Return one piece of a stream."""

    def closing(self, end: Finished) -> Iterable[Object]:
        """Return the objects that end a stream, with the finish reason."""

    def usage_chunk(self, counts: Usage) -> Object:
        """Return the chunk without choices that ``stream_options.include_usage`` asks for."""

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """Return the reply as one object."""


def send(stream: GenerationStream, make_format: Callable[[], ReplyFormat]) -> Object | Response:
    """Return the reply as the request asks for it: whole, or as server-sent events."""
    return send_events(stream, make_format) if stream.body.stream else send_whole(stream, make_format)


def send_whole(stream: GenerationStream, make_format: Callable[[], ReplyFormat]) -> Object:
    """Return the whole reply as one object. ``make_format`` is called once the model is loaded."""
    try:
        for _ in stream.wait():
            pass
        texts = []
        for event in stream.events():
            if isinstance(event, TextPiece):
                texts.append(event)
            elif isinstance(event, Finished):
                return make_format().whole(texts, event) | stream.exchange.receipt_block()
        raise AssertionError("events end with Finished")
    finally:
        stream.release()


def send_events(stream: GenerationStream, make_format: Callable[[], ReplyFormat]) -> Response:
    """Return the reply as server-sent events, which begin at once: comments report the progress of the wait.

    ``X-Progress: 0`` or ``stream_options.include_progress: false`` switches them off.
    """
    stream.exchange.wants_receipt |= stream.body.stream_options.include_usage
    return streaming(stream, _events(stream, make_format, progress=wants_progress(stream)), EVENTS)


def wants_progress(stream: GenerationStream) -> bool:
    """Return true unless the request switches progress comments off."""
    switch = request.headers.get(PROGRESS, "").strip().lower()
    return stream.body.stream_options.include_progress and switch not in OFF


def send_text(stream: GenerationStream, make_reader: Callable[[], ReplyReader]) -> Response:
    """Return the answer as plain text, piece by piece. The status waits for the first piece."""
    try:
        for _ in stream.wait():
            pass
        pieces = _text_pieces(stream, make_reader())
        first = next(pieces, "")
    except BaseException:
        stream.release()
        raise
    return streaming(stream, itertools.chain([first], pieces), "text/plain")


def streaming(stream: GenerationStream, pieces: Iterator[str] | Iterator[bytes], mimetype: str) -> Response:
    """Return ``pieces`` as a response that releases ``stream`` at its end."""
    response = Response(pieces, mimetype=mimetype, headers=STREAM_HEADERS)
    response.call_on_close(stream.release)  # a generator that never started has no finally
    return response


def _events(stream: GenerationStream, make_format: Callable[[], ReplyFormat], *, progress: bool) -> Iterator[bytes]:
    try:
        yield b""  # servers send the headers with the first piece
        for waiting in stream.wait():
            if progress:
                yield sse.comment(waiting)
        reply = make_format()
        yield from map(sse.data, reply.opening())
        for event in stream.events():
            if isinstance(event, TextPiece):
                yield from map(sse.data, reply.pieces(event))
            elif isinstance(event, PrefillProgress) and progress:
                yield sse.comment(f"prefill {event.done}/{event.total}")
            elif isinstance(event, Finished):
                yield from map(sse.data, reply.closing(event))
                if stream.exchange.wants_receipt:
                    yield sse.data(reply.usage_chunk(event.usage) | stream.exchange.receipt_block())
                yield sse.DONE
    except FunctionError as e:
        yield sse.event("error", e.body())
    except ClientGone:
        return
    finally:
        stream.release()


def _text_pieces(stream: GenerationStream, reader: ReplyReader) -> Iterator[str]:
    try:
        for event in stream.events():
            if isinstance(event, TextPiece):
                yield from _answer(reader.feed(event.text))
            elif isinstance(event, Finished):
                yield from _answer(reader.finish())
                if block := stream.exchange.receipt_block():
                    yield f"\n\n{sse.dumps(block)}\n"
    except (ClientGone, Stopping):  # plain text has no place for an error: a stopped reply ends where it is
        return
    finally:
        stream.release()


def _answer(parts: Iterable[Part]) -> Iterator[str]:
    yield from (part.text for part in parts if isinstance(part, ContentPiece))
