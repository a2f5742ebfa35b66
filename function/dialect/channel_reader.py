"""Replies that consist of messages with headers, as gpt-oss and Functionary write them. Pure."""

import re
from collections.abc import Iterator

from function.dialect.argument_reader import NotCallError, Tools
from function.dialect.call_reader import CallReader
from function.dialect.reply_parts import overlap
from function.dialect.syntax import Dialect, JsonArguments
from function.dialect.text_feed import Backtrack, MarkSearch, Wait

_RECIPIENT = re.compile(r"to=([^\s<]+)")
_PREFIX = "functions."
_MAX_HEADER = 400
"""Characters of a header; longer text is content."""


class ChannelReader(CallReader):
    """Reader of messages with headers: a thought, an answer or a call each, by its channel and recipient.

    The reply begins within the header of its first message, as the prompt ends there; a ``continued`` one in content.
    """

    def __init__(self, dialect: Dialect, tools: Tools, *, continued: bool = False) -> None:
        super().__init__(dialect.calls, tools)
        assert dialect.channels is not None
        self._channels = dialect.channels
        self._continued = continued
        channels = dialect.channels
        self._ends = MarkSearch((*channels.message_ends, channels.message_begin))

    def _read(self) -> Iterator[None]:
        feed, channels = self._feed, self._channels
        while True:
            start = Backtrack(feed)
            header = None if self._continued else (yield from self._header())
            self._continued = False
            if header is None:  # a reply without a header
                start.restore()
                yield from self._text(thought=False)
            else:
                start.release()
                yield from self._body(header)
            while True:  # what ends this message and begins the next
                yield from feed.space()
                for word in sorted((*channels.message_ends, channels.message_begin), key=len, reverse=True):
                    if (yield from feed.starts(word)):
                        feed.at += len(word)
                        break
                else:
                    break
            if feed.exhausted:
                return

    def _header(self) -> Wait[str | None]:
        """Read a header up to and with its end; None if no header comes."""
        feed, channels = self._feed, self._channels
        while True:
            end = feed.text.find(channels.header_end, feed.at)
            text = feed.text[feed.at : end if end >= 0 else len(feed.text)]
            if end < 0:
                text = text[: len(text) - overlap(text, channels.header_end)]
            if not self._is_header(text, whole=end >= 0):
                return None
            if end >= 0:
                feed.at = end + len(channels.header_end)
                return text
            if feed.ended:
                return None
            yield

    def _is_header(self, text: str, *, whole: bool) -> bool:
        """Return true if ``text`` is, or may become, a header."""
        channels = self._channels
        if len(text) > _MAX_HEADER:
            return False
        if channels.bare:
            known = (*channels.content_names, *self._tools)
            return text.strip() in known if whole else any(name.startswith(text.strip()) for name in known)
        begun = text.lstrip()
        marks = tuple(mark for mark in (channels.channel_mark, "to=", "<|constrain|>") if mark)
        return not begun or any(begun.startswith(mark) or (not whole and mark.startswith(begun)) for mark in marks)

    def _body(self, header: str) -> Wait[None]:
        channels = self._channels
        recipient = header.strip() if channels.bare else ""
        if match := _RECIPIENT.search(header):
            recipient = match[1]
        name = recipient.removeprefix(_PREFIX)
        if name in self._tools:
            yield from self._call_body(name)
        elif recipient in channels.thought_names:
            yield from self._text(thought=True)
        elif recipient and recipient not in channels.content_names:
            yield from self._text(thought=False, shown=False)
        else:
            channel = header.rpartition(channels.channel_mark)[2] if channels.channel_mark else ""
            yield from self._text(thought="analysis" in channel)

    def _call_body(self, name: str) -> Wait[None]:
        """Read the body of a message to a tool."""
        feed = self._feed
        start = Backtrack(feed)
        try:
            yield from feed.space()
            if isinstance(self._syntax.arguments, JsonArguments):
                yield from self._json_arguments(name)
            else:
                yield from self._call(0)
            self._found += 1
        except NotCallError:
            start.restore()
            yield from self._text(thought=False)
            return
        yield from self._text(thought=False, shown=False)

    def _text(self, *, thought: bool, shown: bool = True) -> Wait[None]:
        """Read text up to the end of the message."""
        feed = self._feed
        if thought:
            self._open_thought(self._channels.thought_end)
            yield from feed.space()
        while True:
            match = self._ends.find(feed.text, feed.at)
            if match is not None:
                sure = feed.text[feed.at : match.start()]
            else:
                keep = 0 if feed.ended else self._ends.held_back(feed.text, feed.at)
                sure = feed.text[feed.at : len(feed.text) - keep]
            if match is not None or not feed.ended:
                sure = sure.rstrip() if thought else sure
            if shown:
                (self._emit_thought if thought else self._emit_content)(sure)
            feed.at += len(sure)
            if match is not None or feed.ended:
                feed.at = len(feed.text) if match is None else match.start()
                if thought:
                    self._close_thought()
                return
            yield
