"""Replies of APIs whose stream is a sequence of named events: whole, or as server-sent events."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from function.engine import Event, Finished, PrefillProgress, TextPiece
from function.errors import FunctionError
from function.web.exchange import Exchange
from function.web.generation_stream import GenerationStream
from function.web.reply import respond, sse
from function.web.reply.respond import Object, WholeFormat


class EventFormat(WholeFormat, Protocol):
    """Builder of an API's events, each with its name as ``type``, of its whole reply and of its errors."""

    def prefill(self, progress: PrefillProgress) -> Iterable[Object]:
        """Return the events that report ``progress``; the first call returns those that open the stream."""

    def pieces(self, text: TextPiece) -> Iterable[Object]:
        """Return the events of one piece of text."""

    def closing(self, end: Finished) -> Iterable[Object]:
        """Return the events that end a stream."""

    def failure(self, error: FunctionError) -> Iterable[Object]:
        """Return the events that end a stream that failed, also before its first event."""

    def error_body(self, error: FunctionError) -> Object:
        """Return the error object of a whole reply."""


def send(stream: GenerationStream, reply: EventFormat) -> Any:
    """Return the reply as the request asks for it: whole, or as server-sent events."""
    if stream.body.stream:
        return respond.send_frames(stream, _NamedFrames(reply, stream.exchange))
    return respond.send_whole(stream, lambda: reply, error_body=reply.error_body)


class _NamedFrames:
    """Frames of a reply's events; the last one has the receipt, if the caller asked for it."""

    def __init__(self, reply: EventFormat, exchange: Exchange) -> None:
        self._reply = reply
        self._exchange = exchange

    def frames(self, event: Event) -> Iterator[bytes]:
        if isinstance(event, TextPiece):
            yield from _named(self._reply.pieces(event))
        elif isinstance(event, Finished):
            *objects, last = self._reply.closing(event)
            yield from _named([*objects, last | self._exchange.receipt_block()])
        elif isinstance(event, PrefillProgress):
            yield from _named(self._reply.prefill(event))

    def end(self) -> Iterable[bytes]:
        return ()

    def failure(self, error: FunctionError) -> Iterator[bytes]:
        return _named(self._reply.failure(error))


def _named(objects: Iterable[Object]) -> Iterator[bytes]:
    return (sse.event(each["type"], each) for each in objects)
