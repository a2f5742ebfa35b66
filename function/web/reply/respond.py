"""Replies as HTTP responses: one JSON object, server-sent events, or plain text."""

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Protocol

from flask import Response, request

from function.dialect.reply_parts import ContentPiece, Part, ReplyReader
from function.engine import Event, Finished, PrefillProgress, TextPiece, Usage
from function.errors import FunctionError, Stopping
from function.web.generation_stream import GenerationStream
from function.web.reply import sse
from function.web.request.client import ClientGone

EVENTS = "text/event-stream"
JSON = "application/json"
PROGRESS = "X-Progress"
KEEP_ALIVE = "X-Keep-Alive"
MIN_KEEP_ALIVE_SECONDS = 0.1
OFF = ("0", "false", "no", "off")
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
Object = dict[str, Any]


class WholeFormat(Protocol):
    """Builder of an endpoint's whole reply."""

    def whole(self, texts: Sequence[TextPiece], end: Finished) -> Object:
        """Return the reply as one object."""


class ReplyFormat(WholeFormat, Protocol):
    """Builder of an endpoint's objects."""

    def opening(self) -> Iterable[Object]:
        """Return the first objects of a stream."""

    def pieces(self, text: TextPiece) -> Iterable[Object]:
        """Return one piece of a stream."""

    def closing(self, end: Finished) -> Iterable[Object]:
        """Return the objects that end a stream, with the finish reason."""

    def usage_chunk(self, counts: Usage) -> Object:
        """Return the chunk, without choices, that ``stream_options.include_usage`` asks for."""

    def prefill(self, progress: PrefillProgress) -> Iterable[Object]:
        """Return the objects that report ``progress``, if the request asks for them."""


class FrameSource(Protocol):
    """Source of the bytes of a stream of events."""

    def frames(self, event: Event) -> Iterable[bytes]:
        """Return the frames for one event of the generation."""

    def end(self) -> Iterable[bytes]:
        """Return the last frames of a complete stream."""

    def failure(self, error: FunctionError) -> Iterable[bytes]:
        """Return the last frames of a stream that failed, also before its first event."""


MakeFormat = Callable[[], ReplyFormat]
"""Function that returns the format of the next choice. It is called once the model is loaded."""
Join = Callable[[Sequence[Object], Usage], Any]
"""Function that makes the reply of the objects of all choices, and of the tokens of all."""


def send(stream: GenerationStream, make_format: MakeFormat, join: Join, *, done: bytes = sse.DONE) -> Any | Response:
    """Return the reply as the request asks for it: whole, or as server-sent events that end with ``done``."""
    return send_events(stream, make_format, done) if stream.body.stream else send_whole(stream, make_format, join)


def send_whole(
    stream: GenerationStream,
    make_format: Callable[[], WholeFormat],
    join: Join | None = None,
    *,
    error_body: Callable[[FunctionError], Object] = FunctionError.body,
) -> Any:
    """Return the whole reply as JSON. ``join`` is needed for requests that may have several choices.

    If the request has a header ``X-Keep-Alive: SECONDS``, and the reply takes longer than that, the response begins
    with status 200, and a space every so many seconds. An error is then the JSON.
    """
    steps = _collect(stream, make_format, join)
    interval = _keep_alive_seconds()
    if interval:
        spaces = _Spaces(steps, interval)
        first = next(spaces, None)
        stream.client.begin_stream()
        if first is None:
            return spaces.result
        return _streaming(stream, _json_after_spaces(first, spaces, error_body), JSON)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _collect(
    stream: GenerationStream, make_format: Callable[[], WholeFormat], join: Join | None
) -> Generator[None, None, Any]:
    """Yield while the reply is not complete; return it."""
    try:
        for _ in stream.wait():
            yield
        choices: list[Object] = []
        texts: list[TextPiece] = []
        for event in stream.events():
            if isinstance(event, TextPiece):
                texts.append(event)
            elif isinstance(event, Finished):
                choices.append(make_format().whole(texts, event))
                texts = []
            yield
        choices[-1] |= stream.exchange.receipt_block()
        return join(choices, stream.usage) if join else choices[0]
    finally:
        stream.release()


def _keep_alive_seconds() -> float:
    """Return the interval that the request asks for; 0 for none."""
    try:
        seconds = float(request.headers.get(KEEP_ALIVE, 0))
    except ValueError:
        return 0.0
    return max(seconds, MIN_KEEP_ALIVE_SECONDS) if seconds > 0 else 0.0


class _Spaces:
    """Iterator that yields a space every ``interval`` seconds until ``steps`` end; ``result`` is what they return."""

    def __init__(self, steps: Generator[None, None, Any], interval: float) -> None:
        self._steps, self._interval = steps, interval
        self._due = time.monotonic() + interval
        self.result: Any = None

    def __iter__(self) -> "_Spaces":
        return self

    def __next__(self) -> bytes:
        while True:
            try:
                next(self._steps)
            except StopIteration as end:
                self.result = end.value
                raise
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + self._interval
                return b" "

    def close(self) -> None:
        """End the steps early."""
        self._steps.close()


def _json_after_spaces(first: bytes, spaces: _Spaces, error_body: Callable[[FunctionError], Object]) -> Iterator[bytes]:
    try:
        yield first
        yield from spaces
        yield sse.dumps(spaces.result).encode("utf-8", "replace")
    except FunctionError as e:
        yield sse.dumps(error_body(e)).encode()
    except ClientGone:
        return
    finally:
        spaces.close()


def send_events(stream: GenerationStream, make_format: MakeFormat, done: bytes = sse.DONE) -> Response:
    """Return the reply as server-sent events, which begin at once: comments report the progress of the wait.

    ``X-Progress: 0`` or ``stream_options.include_progress: false`` switches them off.
    """
    stream.exchange.wants_receipt |= stream.body.stream_options.include_usage
    return send_frames(stream, _ChoiceFrames(stream, make_format, done))


def send_frames(stream: GenerationStream, source: FrameSource) -> Response:
    """Return the frames of ``source`` as server-sent events, with comments unless the request switches them off."""
    return _streaming(stream, stream_frames(stream, source, progress=_wants_progress(stream)), EVENTS)


def _wants_progress(stream: GenerationStream) -> bool:
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
        stream.client.begin_stream()
    except BaseException:
        stream.release()
        raise
    return _streaming(stream, itertools.chain([first], pieces), "text/plain")


def _streaming(stream: GenerationStream, pieces: Iterator[str] | Iterator[bytes], mimetype: str) -> Response:
    """Return ``pieces`` as a response that releases ``stream`` at its end."""
    response = Response(pieces, mimetype=mimetype, headers=STREAM_HEADERS)
    response.call_on_close(stream.release)  # a generator that never started has no finally
    return response


def stream_frames(stream: GenerationStream, source: FrameSource, *, progress: bool) -> Iterator[bytes]:
    """Yield the frames of ``source`` for the events of ``stream``; with ``progress``, comments while it waits."""
    try:
        stream.client.begin_stream()
        yield b""  # servers send the headers with the first piece
        for waiting in stream.wait():
            if stream.client.take_probe() or progress:
                yield sse.comment(waiting)
        for event in stream.events():
            if event is not None:
                yield from source.frames(event)
                if isinstance(event, PrefillProgress) and progress:
                    yield sse.comment(f"prefill {event.done}/{event.total}")
            elif stream.client.take_probe():
                yield sse.comment("")
        yield from source.end()
    except FunctionError as e:
        yield from source.failure(e)
    except ClientGone:
        return
    finally:
        stream.release()


class _ChoiceFrames:
    """Frames of the choices of a reply, one after the other, and of their usage."""

    def __init__(self, stream: GenerationStream, make_format: MakeFormat, done: bytes) -> None:
        self._stream = stream
        self._make_format = make_format
        self._done = done
        self._reply: ReplyFormat | None = None
        self._ended = True

    def frames(self, event: Event) -> Iterator[bytes]:
        if self._reply is None or self._ended:
            self._reply = self._make_format()
            self._ended = False
            yield from map(sse.data, self._reply.opening())
        if isinstance(event, TextPiece):
            yield from map(sse.data, self._reply.pieces(event))
        elif isinstance(event, Finished):
            self._ended = True
            yield from map(sse.data, self._reply.closing(event))
        elif isinstance(event, PrefillProgress):
            yield from map(sse.data, self._reply.prefill(event))

    def end(self) -> Iterator[bytes]:
        if self._stream.exchange.wants_receipt and self._reply is not None:
            receipt = self._stream.exchange.receipt_block()
            yield sse.data(self._reply.usage_chunk(self._stream.usage) | receipt)
        yield self._done

    def failure(self, error: FunctionError) -> Iterator[bytes]:
        yield sse.event("error", error.body())


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
