"""Syntax of tool calls, learned from the chat template. Pure."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from function.dialect.argument_learner import ArgumentLearner, argument_span
from function.dialect.mark_text import GROUP, common, common_end, mark_end, snapped
from function.dialect.syntax import (
    ARGUMENTS,
    ID,
    INDEX,
    NAME,
    SLOTS,
    CallSyntax,
    ChannelSyntax,
    JsonArguments,
    ThoughtSyntax,
)
from function.dialect.template_probe import (
    ANSWER,
    FIRST,
    IDS,
    KEY_A,
    KEY_B,
    LONG_ID,
    OTHER,
    VALUE_A,
    VALUE_B,
    TemplateProbe,
)

_DIGITS = re.compile(r"\d+")


class CallLearner:
    """Learner of a template's calls; ``source`` is the template's text, and ``begins`` the marks before content."""

    def __init__(self, probe: TemplateProbe, source: str, begins: frozenset[str]) -> None:
        self._probe = probe
        self._source = source
        self._begins = begins

    def learn(
        self, thought: ThoughtSyntax | None, marks: Sequence[str], channels: ChannelSyntax | None
    ) -> CallSyntax | None:
        one = self._probe.one_call({KEY_A: VALUE_A, KEY_B: VALUE_B})
        if one is None or KEY_A not in one or VALUE_B not in one:
            return None
        form, span = ArgumentLearner(self._probe).learn(one)
        if form is None:
            return None
        two = self._probe.two_calls()
        if channels:
            return self._channel_call(one, form, span, channels)
        call, before, after = self._cut(one, span, FIRST)
        if call.count(NAME) + call.count(ARGUMENTS) < 2 or ARGUMENTS not in call:
            return None
        before = self._without_frame(before, thought, marks)
        reply = self._probe.reply(ANSWER)
        turn_end = reply[reply.find(ANSWER) + len(ANSWER) :].strip() if reply else ""
        ends = [*(match[0] for match in GROUP.finditer(turn_end)), *turn_end.split()[:1]]
        after = after[: min((at for mark in ends if (at := after.find(mark)) >= 0), default=len(after))]
        further = ("<|python_tag|>",) if "<|python_tag|>" in self._source and not before.strip() else ()
        is_object = call.lstrip().startswith("{") and isinstance(form, JsonArguments)
        parts = self._several(two, call, form, before, after, thought, marks)
        if parts is None:
            begin, begin_call, end_call, end, separator = "", before, self._closing(after), "", ""
            parallel = False
        else:
            begin, begin_call, end_call, end, separator = parts
            parallel = True
        call, first_index = self._indexed(f"{begin_call}{call}{end_call}", two)
        if not begin.strip():
            begin = end = ""
        if not begin:
            call = call.lstrip()
        return CallSyntax(
            call=call,
            arguments=form,
            section_begin=begin.lstrip(),
            section_end=end.rstrip() if begin else "",
            separator=separator,
            is_object=is_object,
            parallel=parallel,
            first_index=first_index,
            further_begins=further,
        )

    def _closing(self, after: str) -> str:
        """Return the part of the text after a call that belongs to it, where two calls cannot be compared."""
        after = after.rstrip()
        return after if after.startswith(("</", "]", "<|/")) else ""

    def _channel_call(self, one: str, form: Any, span: tuple[int, int], channels: ChannelSyntax) -> CallSyntax | None:
        """Return the syntax of a call as the body of a message, after its header."""
        call, before, after = self._cut(one, span, FIRST)
        whole = before + call + after
        if channels.bare or channels.channel_mark:
            return CallSyntax(call=f"{NAME}{channels.header_end}{ARGUMENTS}", arguments=form)
        body = whole[whole.find(channels.header_end) + len(channels.header_end) :]
        end = min((at for mark in channels.message_ends if (at := body.find(mark)) >= 0), default=len(body))
        return CallSyntax(call=body[:end], arguments=form)

    def _cut(self, text: str, span: tuple[int, int], name: str) -> tuple[str, str, str]:
        """Return a call from its name to its arguments with slots, and the text around it."""
        start, end = span
        text = text[:start] + ARGUMENTS + text[end:]
        for identity in (*IDS, LONG_ID):
            text = text.replace(identity, ID)
        at = text.find(ARGUMENTS)
        text = text[:at].replace(name, NAME) + text[at:].replace(name, NAME)
        first = text.find(NAME)
        begin, last = min(first, text.find(ARGUMENTS)), max(text.rfind(NAME), text.find(ARGUMENTS)) + 1
        for tag in re.finditer(rf"</?[\w{SLOTS}][^<>\n]{{0,80}}>", text):
            begin = tag.start() if tag.start() < begin < tag.end() else begin
            last = tag.end() if tag.start() < last < tag.end() else last
        json_begin = self._json_begin(text)
        if json_begin is not None:
            begin, last = json_begin
        return text[begin:last], text[:begin], text[last:]

    def _json_begin(self, text: str) -> tuple[int, int] | None:
        """Return the span of the JSON object that holds name and arguments, if one does."""
        filled = text.replace(ARGUMENTS, "{}").replace(NAME, "qzname").replace(ID, "qzid")
        decoder = json.JSONDecoder()
        for match in re.finditer(r"\{", filled):
            try:
                value, end = decoder.raw_decode(filled, match.start())
            except ValueError:
                continue
            if not _holds(value, "qzname"):
                continue
            back = _unfilled(text)
            return back(match.start()), back(end)
        return None

    def _several(
        self,
        two: str | None,
        call: str,
        form: Any,
        before: str,
        after: str,
        thought: ThoughtSyntax | None,
        marks: Sequence[str],
    ) -> tuple[str, str, str, str, str] | None:
        """Return the beginning of all calls and of each, the end of each and of all, and what stands between."""
        if two is None or FIRST not in two or OTHER not in two or VALUE_B not in two:
            return None
        first, second = self._spans(two, form)
        if first is None or second is None:
            return None
        text = two[: first[0]] + ARGUMENTS + two[first[1] : second[0]] + ARGUMENTS + two[second[1] :]
        for identity in IDS:
            text = text.replace(identity, ID)
        text = text.replace(FIRST, NAME).replace(OTHER, NAME)
        template = _pattern(call)
        found = list(template.finditer(text))
        if len(found) != 2:
            return None
        between = text[found[0].end() : found[1].start()]
        lead = self._without_frame(text[: found[0].start()], thought, marks)
        lead, between = _with_index(lead, between)
        begin_call = mark_end(between, lead)
        begin = lead[: len(lead) - len(begin_call)]
        rest = between[: len(between) - len(begin_call)]
        trail = text[found[1].end() :]
        trail = trail[: len(trail) - len(common_end(trail, after[len(after) :]))] if after else trail
        trail = after if trail.startswith(after) else trail
        end_call = rest[: snapped(rest, len(common(rest, trail)))]
        separator = rest[len(end_call) :]
        if separator or end_call.strip():
            end_call, separator = end_call.rstrip(), end_call[len(end_call.rstrip()) :] + separator
        return begin, begin_call, end_call, trail[len(end_call) :], separator

    def _spans(self, two: str, form: Any) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Return the spans of the arguments of two calls."""
        middle = two.find(VALUE_A) + len(VALUE_A)
        return argument_span(two, form, KEY_A, VALUE_A, 0), argument_span(two, form, KEY_A, VALUE_B, middle)

    def _indexed(self, call: str, two: str | None) -> tuple[str, int]:
        """Return a call's text with its number as a slot, and the first call's number."""
        if INDEX in call or two is None:
            return call, 0 if INDEX not in call else self._first_index(call)
        for match in _DIGITS.finditer(call):
            number = int(match[0])
            if number > 1:
                continue
            following = call[: match.start()] + str(number + 1) + call[match.end() :]
            probe = following.split(ARGUMENTS)[0].replace(NAME, OTHER).replace(ID, IDS[1])
            tail = following.split(ARGUMENTS)[-1].replace(ID, IDS[1])
            if (probe.strip() and probe.strip() in two and OTHER in probe) or (
                OTHER not in probe and tail.strip() in two
            ):
                return call[: match.start()] + INDEX + call[match.end() :], number
        return call, 0

    def _first_index(self, call: str) -> int:
        one = self._probe.two_calls() or ""
        for number in (0, 1):
            probe = call.split(ARGUMENTS)[0].replace(NAME, FIRST).replace(ID, IDS[0]).replace(INDEX, str(number))
            if probe.strip() in one:
                return number
        return 0

    def _without_frame(self, text: str, thought: ThoughtSyntax | None, marks: Sequence[str]) -> str:
        """Return the text before a call without an empty thought and empty content."""
        if thought and thought.end in text:
            text = text.rpartition(thought.end)[2]
        while True:
            text = text.lstrip()
            known = [mark for mark in marks if text.startswith(mark)]
            rest = text[max(map(len, known), default=0) :].lstrip()
            if not known or not (rest.startswith(("<", "[", "{")) or self._begins.intersection(known)):
                return text
            text = rest


def _pattern(call: str) -> "re.Pattern[str]":
    """Return a pattern that matches the text of any call, whose numbers may differ."""
    return re.compile("".join(r"\d+" if part.isdigit() else re.escape(part) for part in re.split(r"(\d+)", call)))


def _with_index(lead: str, between: str) -> tuple[str, str]:
    """Return both texts with a slot where a number counts the calls."""
    first, second = list(_DIGITS.finditer(lead)), list(_DIGITS.finditer(between))
    if not first or not second or int(second[-1][0]) != int(first[-1][0]) + 1:
        return lead, between
    a, b = first[-1], second[-1]
    return lead[: a.start()] + INDEX + lead[a.end() :], between[: b.start()] + INDEX + between[b.end() :]


def _holds(value: Any, text: str) -> bool:
    """Return true if ``text`` is in an object or in one that it holds; the items of a list are apart."""
    if isinstance(value, dict):
        return any(text in key or _holds(item, text) for key, item in value.items())
    return isinstance(value, str) and text in value


def _unfilled(text: str) -> Callable[[int], int]:
    """Return a function from positions in ``text`` with its slots filled to positions in ``text``."""
    widths = {ARGUMENTS: 2, NAME: len("qzname"), ID: len("qzid")}

    def back(position: int) -> int:
        at = filled = 0
        while at < len(text) and filled < position:
            filled += widths.get(text[at], 1)
            at += 1
        return at

    return back
