"""Replies of APIs whose stream is a sequence of named events: whole, or as server-sent events."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from function.engine import Finished, PrefillProgress, TextPiece
from function.errors import FunctionError
from function.web.generation_stream import GenerationStream
from function.web.reply import respond, sse
from function.web.reply.respond import Object
from function.web.request.client import ClientGone


class EventFormat(Protocol):
    """Builder of an API's events, each with its name as ``type``, and of its whole reply."""

    def opening(self, prompt: PrefillProgress) -> Iterable[Object]:
        """Return the first events."""

    def pieces(self, text: TextPiece) -> Iterable[Object]:
        """Return the events of one piece of text."""

    def closing(self, end: Finished) -> Iterable[Object]:
        """Return the events that end a stream."""

    def failure(self, error: FunctionError) -> Iterable[Object]:
        """Return the events that end a stream that failed, also before its first event."""

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """Return the reply as one object."""


def send(stream: GenerationStream, reply: EventFormat) -> Any:
    """Return the reply as the request asks for it: whole, or as server-sent events."""
    if not stream.body.stream:
        return respond.send_whole(stream, lambda: reply)
    return respond.streaming(stream, _events(stream, reply, progress=respond.wants_progress(stream)), respond.EVENTS)


def _events(stream: GenerationStream, reply: EventFormat, *, progress: bool) -> Iterator[bytes]:
    opened = False
    try:
        stream.client.begin_stream()
        yield b""  # servers send the headers with the first piece
        for waiting in stream.wait():
            if stream.client.take_probe() or progress:
                yield sse.comment(waiting)
        for event in stream.events():
            if isinstance(event, TextPiece):
                yield from _frames(reply.pieces(event))
            elif isinstance(event, PrefillProgress):
                if not opened:
                    yield from _frames(reply.opening(event))
                    opened = True
                elif progress:
                    yield sse.comment(f"prefill {event.done}/{event.total}")
            elif event is None and stream.client.take_probe():
                yield sse.comment("")
            elif isinstance(event, Finished):
                *objects, last = reply.closing(event)
                yield from _frames([*objects, last | stream.exchange.receipt_block()])
    except FunctionError as e:
        yield from _frames(reply.failure(e))
    except ClientGone:
        return
    finally:
        stream.release()


def _frames(objects: Iterable[Object]) -> Iterator[bytes]:
    return (sse.event(each["type"], each) for each in objects)
