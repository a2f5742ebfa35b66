"""What the engine says, as an HTTP response: one JSON object, server-sent events, or plain text."""

import itertools
from collections.abc import Callable, Iterable, Iterator

from flask import Response

from function.dialect.reply_parts import ContentPiece, Part, ReplyReader
from function.engine import Finished, PrefillProgress, TextPiece
from function.errors import FunctionError
from function.lifecycle.service import Service
from function.web.generation_stream import ClientGone, GenerationStream
from function.web.reply import sse
from function.web.reply.openai import Frame

STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def whole(service: Service, turn: GenerationStream, frame: Callable[[], Frame]) -> Response:
    """The whole reply as one object; nothing is sent before it is there. ``frame`` is called once the model is."""
    try:
        for _ in turn.waiting():
            pass
        texts = []
        for event in turn.events():
            if isinstance(event, TextPiece):
                texts.append(event)
            elif isinstance(event, Finished):
                _raise_failure(service, event)
                body = frame().whole(texts, event) | turn.exchange.block()
                return Response(sse.dumps(body), mimetype="application/json")
        raise AssertionError("events end with Finished")
    finally:
        turn.release()


def events(service: Service, turn: GenerationStream, frame: Callable[[], Frame], *, include_usage: bool) -> Response:
    """The reply as server-sent events, which begin at once: waiting is told in comments."""
    turn.exchange.wants_receipt |= include_usage
    response = Response(_events(service, turn, frame), mimetype=sse.MIMETYPE, headers=STREAM_HEADERS)
    response.call_on_close(turn.release)  # a generator that never started has no finally
    return response


def text(service: Service, turn: GenerationStream, reader: Callable[[], ReplyReader]) -> Response:
    """Return the answer as plain text, piece by piece; the status waits for the first."""
    try:
        for _ in turn.waiting():
            pass
        pieces = _pieces(service, turn, reader())
        first = next(pieces, "")
    except BaseException:
        turn.release()
        raise
    response = Response(itertools.chain([first], pieces), mimetype="text/plain", headers=STREAM_HEADERS)
    response.call_on_close(turn.release)
    return response


def _events(service: Service, turn: GenerationStream, frame: Callable[[], Frame]) -> Iterator[bytes]:
    try:
        for waiting in turn.waiting():
            yield sse.comment(waiting)
        reply = frame()
        yield from map(sse.data, reply.opening())
        for event in turn.events():
            if isinstance(event, TextPiece):
                yield from map(sse.data, reply.pieces(event))
            elif isinstance(event, PrefillProgress):
                yield sse.comment(f"prefill {event.done}/{event.total}")
            elif isinstance(event, Finished):
                _raise_failure(service, event)
                yield from map(sse.data, reply.closing(event))
                if turn.exchange.wants_receipt:
                    yield sse.data(reply.counted(event.usage) | turn.exchange.block())
                yield sse.DONE
    except FunctionError as e:
        yield sse.event("error", e.body())
    except ClientGone:
        return
    finally:
        turn.release()


def _pieces(service: Service, turn: GenerationStream, reader: ReplyReader) -> Iterator[str]:
    try:
        for event in turn.events():
            if isinstance(event, TextPiece):
                yield from _answer(reader.feed(event.text))
            elif isinstance(event, Finished):
                _raise_failure(service, event)
                yield from _answer(reader.finish())
                if block := turn.exchange.block():
                    yield f"\n\n{sse.dumps(block)}\n"
    except ClientGone:
        return
    finally:
        turn.release()


def _answer(parts: Iterable[Part]) -> Iterator[str]:
    yield from (part.text for part in parts if isinstance(part, ContentPiece))


def _raise_failure(service: Service, event: Finished) -> None:
    """Raise what ended a generation before its time, if anything did."""
    if event.error is not None:
        raise event.error
    if event.reason == "cancelled":
        raise service.status().error or ClientGone()
