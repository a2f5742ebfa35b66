"""Thoughts, content and tool calls in a reply's text, found while it arrives. Pure."""

import re
from collections.abc import Iterator

from function.dialect.argument_reader import Tools
from function.dialect.call_reader import CallReader
from function.dialect.syntax import (
    KNOWN_THOUGHTS,
    Dialect,
    ThoughtSyntax,
    marks_of,
)
from function.dialect.text_feed import Backtrack, MarkSearch, Wait

_MIN_MARK_CHARACTERS = 4
"""A shorter end of a reply is more likely text than the beginning of a mark."""


class ReplyTextReader(CallReader):
    """Reader of a reply: a thought perhaps, then content and calls in any order.

    ``opened``: the prompt ends inside the thought. ``closed``: the prompt ends behind it.
    """

    def __init__(self, dialect: Dialect, tools: Tools, *, opened: bool = False, closed: bool = False) -> None:
        super().__init__(dialect.calls, tools)
        self._thought_syntax = dialect.thought
        self._opened = opened
        self._closed = closed
        thought = dialect.thought
        self._again = thought.begin if thought and re.search(r"[|｜]", thought.begin) else ""
        noise = [*dialect.content_marks]
        if self._again and thought:
            noise += [
                mark for text in (thought.begin, thought.end) for mark in marks_of(text) if re.search(r"[|｜]", mark)
            ]
        self._noise = tuple(dict.fromkeys(noise))
        self._answer_begins = dialect.answer_begins
        self._search = MarkSearch((*self.triggers, *self._noise, self._again))

    def _read(self) -> Iterator[None]:
        thought = self._thought_syntax
        if self._opened and thought:
            self._emit_thought(thought.prefix)
            yield from self._thought(thought)
        elif not self._closed:
            yield from self._beginning()
        yield from self._content()

    def _beginning(self) -> Wait[None]:
        """Read a thought if the reply begins with one."""
        feed = self._feed
        pairs = [ThoughtSyntax(*pair) for pair in KNOWN_THOUGHTS]
        if self._thought_syntax and self._thought_syntax.begin:
            pairs.insert(0, self._thought_syntax)
        start = Backtrack(feed)
        yield from feed.space()
        for pair in pairs:
            if (yield from feed.starts(pair.begin)):
                start.release()
                feed.at += len(pair.begin)
                yield from self._thought(pair)
                return
        if self._thought_syntax and (yield from feed.starts(self._thought_syntax.end)):
            start.release()
            feed.at += len(self._thought_syntax.end)
            yield from feed.space()
            return
        start.restore()

    def _thought(self, syntax: ThoughtSyntax) -> Wait[None]:
        """Read a thought and the white space around it.

        A call ends a thought that is never closed. It is known only at the end, and held back until then.
        """
        feed = self._feed
        self._open_thought(syntax.end)
        yield from feed.space()
        ends = (syntax.end, *self._answer_begins)
        search = MarkSearch((*ends, *self.triggers))
        ending = MarkSearch(ends)
        while True:
            match = search.find(feed.text, feed.at)
            if match is not None and match[0] not in ends and ending.find(feed.text, match.start()) is None:
                sure = feed.text[feed.at : match.start()].rstrip()
                self._emit_thought(sure)
                feed.at += len(sure)
                if not feed.ended:
                    yield
                    continue
                start = Backtrack(feed)
                self._close_thought()
                yield from feed.space()
                if (yield from self._calls()):
                    feed.kept = None
                    return
                start.restore()
                self.thoughts[-1].end = None
                sure = feed.text[feed.at : match.start() + 1]
                self._emit_thought(sure)
                feed.at += len(sure)
                continue
            match = ending.find(feed.text, feed.at)
            if match is not None:
                self._emit_thought(feed.text[feed.at : match.start()].rstrip())
                feed.at = match.start()
                self._close_thought()
                feed.at = match.end()
                yield from feed.space()
                return
            keep = 0 if feed.ended else search.held_back(feed.text, feed.at)
            sure = feed.text[feed.at : len(feed.text) - keep]
            if not feed.ended:
                sure = sure.rstrip()
            self._emit_thought(sure)
            feed.at += len(sure)
            if feed.ended:
                self._close_thought()
                return
            yield

    def _content(self) -> Wait[None]:
        """Read content and calls to the end of the reply."""
        feed = self._feed
        if self.bare:
            start = Backtrack(feed)
            yield from feed.space()
            if (yield from self._calls()):
                feed.kept = None
            else:
                start.restore()
        while True:
            match = self._search.find(feed.text, feed.at)
            if match is None:
                keep = 0 if feed.ended else self._search.held_back(feed.text, feed.at)
                sure = feed.text[feed.at : len(feed.text) - keep]
                if not feed.ended:
                    sure = sure.rstrip()
                else:
                    sure = self._without_cut_mark(sure)
                    sure = "" if self._found and not sure.strip() else sure
                self._emit_content(sure)
                if feed.ended:
                    feed.at = len(feed.text)
                    return
                feed.at += len(sure)
                yield
                continue
            sure = feed.text[feed.at : match.start()].rstrip()
            self._emit_content(sure)
            feed.at += len(sure)
            gap = match.start() - feed.at
            mark = match[0]
            start = Backtrack(feed)
            feed.at += gap
            if self._again and (yield from feed.starts(self._again)):
                feed.at += len(self._again)
                start.release()
                assert self._thought_syntax is not None
                yield from self._thought(self._thought_syntax)
                continue
            self._unfinished = False
            if mark in self.triggers and (yield from self._calls()):
                feed.kept = None
                continue
            if self._unfinished and self._cut:
                feed.at = len(feed.text)
                start.release()
                return
            noise = yield from self._noise_word()
            if noise:
                feed.at += len(noise)
                start.release()
                continue
            start.restore()
            sure = feed.text[feed.at : feed.at + gap + 1]
            self._emit_content(sure)
            feed.at += len(sure)

    def _without_cut_mark(self, text: str) -> str:
        """Return the end of a reply without the beginning of a call's mark, if the reply was cut there."""
        held = self._search.held_back(text, 0) if self._cut else 0
        is_mark = held >= _MIN_MARK_CHARACTERS and any(mark.startswith(text[-held:]) for mark in self.triggers)
        return text[:-held].rstrip() if is_mark else text

    def _noise_word(self) -> Wait[str]:
        """Return the longest content mark that comes next."""
        for word in sorted(self._noise, key=len, reverse=True):
            if (yield from self._feed.starts(word)):
                return word
        return ""
