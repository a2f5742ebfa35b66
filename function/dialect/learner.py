"""A model's dialect, learned from the texts that its chat template writes for probe messages. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from function.dialect.syntax import (
    ARGUMENTS,
    HERMES,
    ID,
    INDEX,
    KEY,
    KIND,
    KNOWN_THOUGHTS,
    MARK,
    NAME,
    SLOTS,
    CallSyntax,
    ChannelSyntax,
    Dialect,
    HistoryRules,
    JsonArguments,
    LiteralArguments,
    TaggedArguments,
    ThoughtSyntax,
)
from function.dialect.undisclosed import undisclosed_calls

Render = Callable[..., str]
"""``render(messages, tools=…, **variables)`` returns a prompt; any exception means that the template refuses."""
Message = dict[str, Any]

_USER_TEXT, _ANSWER, _THOUGHT = "qzuser", "qzanswer", "qzthought"
_FIRST, _OTHER = "qzfirst", "qzother"
_KEY_A, _KEY_B, _VALUE_A, _VALUE_B = "qzkeya", "qzkeyb", "qzvala", "qzvalb"
_IDS = ("qzid00001", "qzid00002")
_LONG_ID = "call_qz0123456789abcdef01"
_USER: Message = {"role": "user", "content": _USER_TEXT}
_DEFAULTS = {"enable_thinking": True, "datetime": "2025-01-01", "date_string": "01 Jan 2025"}
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thought")
_DIGITS = re.compile(r"\d+")
_TAG = re.compile(rf"{MARK.pattern}|</?[A-Za-z][^<>\n]{{0,80}}>|<[\w:.-]+=?(?!\S*>)")
_WRITTEN_PARTS = re.compile(r"""["']thinking["']: ["']""")
_GROUP = re.compile(rf"(?:{MARK.pattern})(?:\w+(?:{MARK.pattern}))?")


def _tool(name: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "description": "A value."} for key in (_KEY_A, _KEY_B)}
    parameters = {"type": "object", "properties": properties, "required": [_KEY_A], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": "Does it.", "parameters": parameters}}


_TOOLS = [_tool(_FIRST), _tool(_OTHER)]


def learn(render: Render, source: str = "") -> Dialect:
    """Return the dialect of a template.

    ``source`` is the template's text, for marks that no message makes it write. A template that knows no tools gets
    the syntax of Hermes, and ``native`` is false.
    """
    return _Learner(render, source).dialect()


@dataclass(frozen=True, slots=True)
class _Written:
    """Text of a message after the role's header, and where the probe's words are in it."""

    text: str

    def span(self, word: str, start: int = 0) -> tuple[int, int]:
        at = self.text.find(word, start)
        return at, at + len(word)


class _Learner:
    def __init__(self, render: Render, source: str) -> None:
        self._render = render
        self._source = source
        self._text_arguments = False
        self._begins: frozenset[str] = frozenset()
        """Marks before content."""
        self._prompts = [
            prompt for thinking in (True, False) if (prompt := self._try([_USER], enable_thinking=thinking)) is not None
        ]

    def dialect(self) -> Dialect:
        history = self._history()
        reply = self._reply(_ANSWER)
        channels = self._channels(reply)
        thought = None if channels else self._thought(reply)
        history = self._with_thoughts(history, thought)
        marks = self._content_marks(reply, thought)
        if thought and thought.turn and reply:
            marks = (*marks, thought.turn)
        begins = tuple(mark for mark in marks if reply and reply.find(mark) in range(reply.find(_ANSWER)))
        self._begins = frozenset(begins)
        calls = None
        for self._text_arguments in (False, True):
            if calls := self._calls(thought, marks, channels):
                break
        if calls is None and (known := undisclosed_calls(self._source)):
            return Dialect(known, True, thought, channels, marks, begins, history)
        if calls is None:
            return Dialect(HERMES, False, thought, channels, marks, begins, history)
        history = replace(
            history,
            text_arguments=self._text_arguments,
            single_calls=self._two() is None,
            short_ids=self._body(self._message(self._call(_FIRST, {_KEY_A: _VALUE_A}, _LONG_ID))) is None,
        )
        return Dialect(calls, True, thought, channels, marks, begins, history)

    # Rendering

    def _try(self, messages: Sequence[Message], *, prompt: bool = True, **variables: Any) -> str | None:
        given = {
            "tools": _TOOLS,
            "functions": json.dumps(_TOOLS),
            "add_generation_prompt": prompt,
            **_DEFAULTS,
            **variables,
        }
        try:
            return self._render(list(messages), **given)
        except Exception:  # a template can raise anything
            return None

    def _body(self, message: Message, *, prompt: bool = False, following: Sequence[Message] = ()) -> str | None:
        """Return what the template writes for an assistant's message, without the header of its role."""
        text = self._try([_USER, message, *following], prompt=prompt)
        if text is None:
            return None
        return text[max((self._shared(text, prompt) for prompt in self._prompts), default=0) :]

    def _shared(self, text: str, prompt: str) -> int:
        """Return where ``text`` leaves ``prompt``, not within a mark."""
        length = len(_common(text, prompt))
        return _snapped(text, length)

    def _message(self, *calls: dict[str, Any], content: str = "", **more: Any) -> Message:
        message: Message = {"role": "assistant", "content": content, **more}
        return message | {"tool_calls": list(calls)} if calls else message

    def _call(self, name: str, arguments: Mapping[str, Any], identity: str = _IDS[0]) -> dict[str, Any]:
        given = json.dumps(arguments) if self._text_arguments else dict(arguments)
        return {"id": identity, "type": "function", "function": {"name": name, "arguments": given}}

    def _reply(self, text: str) -> str | None:
        body = self._body(self._message(content=text))
        return body if body is not None and text in body else None

    def _one(self, arguments: Mapping[str, Any]) -> str | None:
        body = self._body(self._message(self._call(_FIRST, arguments)))
        return body if body is not None and _FIRST in body else None

    def _two(self) -> str | None:
        first, second = self._call(_FIRST, {_KEY_A: _VALUE_A}), self._call(_OTHER, {_KEY_A: _VALUE_B}, _IDS[1])
        return self._body(self._message(first, second))

    # Messages

    def _history(self) -> HistoryRules:
        """Return the rules that probes of several messages show."""
        system = {"role": "system", "content": "qzsystem"}
        later = {"role": "system", "content": "qzlater"}
        answer = {"role": "assistant", "content": _ANSWER}
        again = {**_USER, "content": "qzagain"}

        def keeps(messages: Sequence[Message], *words: str) -> bool:
            text = self._try(messages)
            return text is not None and all(word in text for word in words)

        return HistoryRules(
            system=keeps([system, _USER], "qzsystem"),
            later_system=keeps([system, _USER, answer, later, _USER], "qzsystem", "qzlater")
            and keeps([system, later, _USER], "qzsystem", "qzlater"),
            alternates=not keeps([_USER, again], _USER_TEXT, "qzagain"),
        )

    def _with_thoughts(self, history: HistoryRules, thought: ThoughtSyntax | None) -> HistoryRules:
        """Return ``history`` with what becomes of thoughts in a conversation."""
        call = self._call(_FIRST, {_KEY_A: _VALUE_A})
        for field in _THOUGHT_FIELDS:
            given = {field: _THOUGHT}
            probes = (self._message(content=_ANSWER, **given), self._message(call, **given))
            if any(_THOUGHT in (self._try([_USER, probe], prompt=False) or "") for probe in probes):
                history = replace(history, thought_field=field)
                break
        if thought is None:
            return history

        def written(message: Message) -> list[str]:
            later = [_USER, message, _USER, self._message(content="qzlater"), _USER]
            texts = (self._try([_USER, message], prompt=False), self._try([_USER, message, _USER]), self._try(later))
            return ["".join((text or "").split()) for text in texts]

        def tagged(begin: str, end: str) -> list[str]:
            return written(self._message(content=f"{begin}\n{_THOUGHT}\n{end}\n\n{_ANSWER}"))

        found = tagged(thought.begin, thought.end)
        if found == written(self._message(content=_ANSWER, **{history.thought_field: _THOUGHT})):
            return replace(history, thoughts="field")
        plain = [
            text.replace("qzbegin", thought.begin).replace("qzend", thought.end) for text in tagged("qzbegin", "qzend")
        ]
        return history if found == ["".join(text.split()) for text in plain] else replace(history, thoughts="content")

    # Thoughts

    def _thought(self, reply: str | None) -> ThoughtSyntax | None:
        for text in self._thinking():
            at, end = text.find(_THOUGHT), text.find(_THOUGHT) + len(_THOUGHT)
            if found := self._around(text[:at], text[end:], reply):
                return found
        return self._opened_thought()

    def _thinking(self) -> list[str]:
        """Return whole prompts in which the template writes a thought."""
        fields = dict.fromkeys(_THOUGHT_FIELDS, _THOUGHT)
        call = self._call(_FIRST, {_KEY_A: _VALUE_A})
        result = {"role": "tool", "tool_call_id": _IDS[0], "name": _FIRST, "content": "qzresult"}
        parts = [{"type": "thinking", "thinking": _THOUGHT}, {"type": "text", "text": _ANSWER}]
        last = self._message(content=_ANSWER)
        messages: list[list[Message]] = [
            [self._message(content=_ANSWER, **fields)],
            [self._message(call, **fields)],
            [self._message(call, content=_ANSWER, **fields)],
            [self._message(call, **fields), result, last],
            [self._message(**fields)],
            [{"role": "assistant", "content": parts}],
            [self._message(content=_ANSWER, reasoning_content=_THOUGHT)],
        ]
        texts = [self._try([_USER, *each], prompt=False) for each in messages]
        return [text for text in texts if text and _THOUGHT in text and not _WRITTEN_PARTS.search(text)]

    def _around(self, before: str, after: str, reply: str | None) -> ThoughtSyntax | None:
        """Return the marks around a thought in a prompt, given the text on both of its sides."""
        between = after.split(_ANSWER)[0]
        between, space = between.strip(), between
        opening = list(MARK.finditer(before))
        first = MARK.search(between)
        end = between if first is None else between[: first.end()]
        if not opening:
            return None
        begin = before[opening[-1].start() :].rstrip()
        role = self._try([_USER, self._message(content=_ANSWER)], prompt=False) if reply is not None else None
        header = role[: role.rfind(_ANSWER)] if role is not None and _ANSWER in role else ""
        shared = _snapped(header, len(_common(header, before)))
        user = before[: before.find(_USER_TEXT)]
        if (
            len(opening) > 1
            and opening[-1][0] in user
            and (word := before[opening[-2].end() : opening[-1].start()]).isalnum()
        ):
            begin = before[opening[-2].start() :].rstrip()  # as <|open|>think<|sep|>
            if (
                first
                and between[first.end() :].startswith(word)
                and (last := MARK.match(between, first.end() + len(word)))
            ):
                end = between[: last.end()]
        if shared >= opening[-1].end() and end not in header[shared:] and end not in before[opening[-1].start() :]:
            begin = before[shared:].strip()  # the mark belongs to the role
        if not end or begin == end:
            return None
        prefix = ""
        if not begin and self._prompts:
            prefix = self._prompts[0][self._shared(self._prompts[0], before) :]
            prefix = prefix.lstrip() if not before.endswith("\n") else prefix
        gap = space.lstrip()[len(end) :]
        answer = header[shared:].strip()
        turn = gap.strip().removesuffix(answer).strip() if answer and gap.strip().endswith(answer) else ""
        gap = gap if turn else gap[: len(gap) - len(gap.lstrip())]
        return ThoughtSyntax(begin, end, prefix, gap.removesuffix(answer) if turn else gap, turn)

    def _opened_thought(self) -> ThoughtSyntax | None:
        """Return marks that only the prompts or the source show."""
        if len(self._prompts) == 2:
            thinking, calm = (prompt.rstrip() for prompt in self._prompts)
            rest = calm[len(thinking) :].strip() if calm.startswith(thinking) else ""
            last = list(MARK.finditer(thinking))
            if MARK.fullmatch(rest) and last and last[-1].end() == len(thinking):
                return ThoughtSyntax(last[-1][0], rest)
        for begin, end in KNOWN_THOUGHTS:
            if end in self._source or any(prompt.rstrip().endswith(begin) for prompt in self._prompts):
                return ThoughtSyntax(begin, end)
        return None

    # Content

    def _content_marks(self, reply: str | None, thought: ThoughtSyntax | None) -> tuple[str, ...]:
        """Return the marks before and after content, without those of the thought."""
        if reply is None:
            return ()
        at = reply.find(_ANSWER)
        before, after = reply[:at], reply[at + len(_ANSWER) :]
        if thought:
            before = before.rpartition(thought.end)[2] if thought.end else before
            before = before.removeprefix(thought.begin)
        found = [match[0] for text in (before, after) for match in _GROUP.finditer(text)]
        if before.strip() and before.strip() not in found:
            found.insert(0, before.strip())
        known = {thought.begin, thought.end} if thought else set()
        return tuple(dict.fromkeys(mark for mark in found if mark not in known and _is_special(mark)))

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

    # Channels

    def _channels(self, reply: str | None) -> ChannelSyntax | None:
        """Return the syntax of replies that consist of messages with headers."""
        if reply is None or not self._prompts:
            return None
        header, after = reply.split(_ANSWER, 1)
        end = MARK.search(after)
        ends = (end[0],) if end else ()
        begin = MARK.split(self._prompts[0])[-1].strip()
        if header == "all\n" and begin and not begin.isalnum():
            return ChannelSyntax(begin, "\n", ends, header, f"{NAME}\n", bare=True)
        last = list(MARK.finditer(header))
        role = re.search(rf"({MARK.pattern})assistant$", self._prompts[0])
        if not last or not role or not header.endswith(last[-1][0]):
            return None
        named = re.match(r"\s+to=\w+", header)
        channel = last[0][0] if len(last) > 1 and last[0].end() < last[1].start() else ""
        if not named and not channel:
            return None
        begin, end_mark = f"{role[1]}assistant", last[-1][0]
        others = ("<|end|>", "<|call|>", "<|return|>", "<|eom|>", "<|eot|>")
        ends = tuple(dict.fromkeys((*ends, *(mark for mark in others if mark in self._source))))
        if channel:
            call = f"{channel}commentary to=functions.{NAME} <|constrain|>json{end_mark}"
            thought = f"{channel}analysis{end_mark}"
            return ChannelSyntax(begin, end_mark, ends, header, call, thought, f"<|end|>{begin}", channel)
        for text in self._thinking():
            between = text[text.find(_THOUGHT) + len(_THOUGHT) :]
            between = between[: between.find(begin) + len(begin)] if begin in between else ""
            thought = f" to=self{end_mark}"
            return ChannelSyntax(begin, end_mark, ends, header, f" to={NAME}{end_mark}", thought, between)
        return ChannelSyntax(begin, end_mark, ends, header, f" to={NAME}{end_mark}")

    # Calls

    def _calls(
        self, thought: ThoughtSyntax | None, marks: Sequence[str], channels: ChannelSyntax | None
    ) -> CallSyntax | None:
        one = self._one({_KEY_A: _VALUE_A, _KEY_B: _VALUE_B})
        if one is None or _KEY_A not in one or _VALUE_B not in one:
            return None
        form, span = self._arguments(one)
        if form is None:
            return None
        two = self._two()
        if channels:
            return self._channel_call(one, form, span, channels)
        call, before, after = self._cut(one, span, _FIRST)
        if call.count(NAME) + call.count(ARGUMENTS) < 2 or ARGUMENTS not in call:
            return None
        before = self._without_frame(before, thought, marks)
        reply = self._reply(_ANSWER)
        turn_end = reply[reply.find(_ANSWER) + len(_ANSWER) :].strip() if reply else ""
        ends = [*(match[0] for match in _GROUP.finditer(turn_end)), *turn_end.split()[:1]]
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
        call, before, after = self._cut(one, span, _FIRST)
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
        for identity in (*_IDS, _LONG_ID):
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
        if two is None or _FIRST not in two or _OTHER not in two or _VALUE_B not in two:
            return None
        first, second = self._spans(two, form)
        if first is None or second is None:
            return None
        text = two[: first[0]] + ARGUMENTS + two[first[1] : second[0]] + ARGUMENTS + two[second[1] :]
        for identity in _IDS:
            text = text.replace(identity, ID)
        text = text.replace(_FIRST, NAME).replace(_OTHER, NAME)
        template = _pattern(call)
        found = list(template.finditer(text))
        if len(found) != 2:
            return None
        between = text[found[0].end() : found[1].start()]
        lead = self._without_frame(text[: found[0].start()], thought, marks)
        lead, between = _with_index(lead, between)
        begin_call = _mark_end(between, lead)
        begin = lead[: len(lead) - len(begin_call)]
        rest = between[: len(between) - len(begin_call)]
        trail = text[found[1].end() :]
        trail = trail[: len(trail) - len(_common_end(trail, after[len(after) :]))] if after else trail
        trail = after if trail.startswith(after) else trail
        end_call = rest[: _snapped(rest, len(_common(rest, trail)))]
        separator = rest[len(end_call) :]
        if separator or end_call.strip():
            end_call, separator = end_call.rstrip(), end_call[len(end_call.rstrip()) :] + separator
        return begin, begin_call, end_call, trail[len(end_call) :], separator

    def _spans(self, two: str, form: Any) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
        """Return the spans of the arguments of two calls."""
        middle = two.find(_VALUE_A) + len(_VALUE_A)
        return _argument_span(two, form, _KEY_A, _VALUE_A, 0), _argument_span(two, form, _KEY_A, _VALUE_B, middle)

    def _indexed(self, call: str, two: str | None) -> tuple[str, int]:
        """Return a call's text with its number as a slot, and the first call's number."""
        if INDEX in call or two is None:
            return call, 0 if INDEX not in call else self._first_index(call)
        for match in _DIGITS.finditer(call):
            number = int(match[0])
            if number > 1:
                continue
            following = call[: match.start()] + str(number + 1) + call[match.end() :]
            probe = following.split(ARGUMENTS)[0].replace(NAME, _OTHER).replace(ID, _IDS[1])
            tail = following.split(ARGUMENTS)[-1].replace(ID, _IDS[1])
            if (probe.strip() and probe.strip() in two and _OTHER in probe) or (
                _OTHER not in probe and tail.strip() in two
            ):
                return call[: match.start()] + INDEX + call[match.end() :], number
        return call, 0

    def _first_index(self, call: str) -> int:
        one = self._two() or ""
        for number in (0, 1):
            probe = call.split(ARGUMENTS)[0].replace(NAME, _FIRST).replace(ID, _IDS[0]).replace(INDEX, str(number))
            if probe.strip() in one:
                return number
        return 0

    def _arguments(self, one: str) -> tuple[Any, tuple[int, int]]:
        """Return the form of the arguments in the text of a call with two, and their span."""
        both = {_KEY_A: _VALUE_A, _KEY_B: _VALUE_B}
        for quoted in (False, True):
            for match in re.finditer(r'"' if quoted else r"\{", one):
                try:
                    value, end = json.JSONDecoder().raw_decode(one, match.start())
                    if quoted and isinstance(value, str):
                        value = json.loads(value)
                except ValueError:
                    continue
                if value == both:
                    return JsonArguments(quoted), (match.start(), end)
        if re.search(rf"'{_KEY_A}'\s*:", one) or f'\\"{_KEY_A}' in one:
            return None, (0, 0)  # Python's spelling of an object: the template wants text
        return self._spelled(one)

    def _spelled(self, one: str) -> tuple[Any, tuple[int, int]]:
        """Return the form of arguments that are not JSON."""
        a, b = one.find(_KEY_A), one.find(_KEY_B)
        value_a, value_b = one.find(_VALUE_A, a), one.find(_VALUE_B, b)
        if not 0 <= a < value_a < b < value_b:
            return None, (0, 0)
        middle = one[a + len(_KEY_A) : value_a]
        number = self._one({_KEY_A: 918273})
        number_middle = _between(number, _KEY_A, "918273")
        if number_middle is None:
            return None, (0, 0)
        between = one[value_a + len(_VALUE_A) : b]
        head = one[one.rfind(_FIRST, 0, a) + len(_FIRST) : a] if one.rfind(_FIRST, 0, a) >= 0 else one[:a]
        tail = one[value_b + len(_VALUE_B) :]
        quote = middle[len(number_middle) :] if middle.startswith(number_middle) and middle != number_middle else ""
        if quote and between.startswith(quote) and tail.startswith(quote):
            nested = self._one({_KEY_A: {"qzinner": "qzdeep"}}) or ""
            constant = self._one({_KEY_A: True}) or ""
            form: Any = LiteralArguments(
                assign=number_middle,
                separator=between[len(quote) :],
                quote=quote,
                plain_keys=f"qzinner{number_middle}" in nested,
                python=_between(constant, _KEY_A, "True") is not None,
            )
            return form, (a, value_b + len(_VALUE_B) + len(quote))
        plain, tail = between.replace(_KEY_A, KEY), tail.replace(_KEY_B, KEY)
        key_begin = _mark_end(plain, head)
        value_end = plain[: len(plain) - len(key_begin)]
        if not value_end or not tail.startswith(value_end):
            value_end = plain[: _snapped(plain, len(_common(plain, tail)))]
            key_begin = plain[len(value_end) :]
        if not (key_begin or value_end) or not head.endswith(key_begin):
            return None, (0, 0)
        key_end, kinds = self._key_end(middle, number_middle)
        nested_text = self._one({_KEY_A: {"qzinner": "qzdeep"}}) or ""
        in_tags = bool(MARK.search(value_end)) and f"{key_begin}qzinner" in nested_text
        form = TaggedArguments(key_begin, key_end, value_end, kinds, nested=in_tags)
        end = value_b + len(_VALUE_B) + len(value_end.replace(KEY, _KEY_B))
        return form, (a - len(key_begin), end)

    def _key_end(self, middle: str, number_middle: str) -> tuple[str, dict[str, str]]:
        """Return the text between a name and its value, with a slot for the type where it depends on it."""
        if middle == number_middle:
            return middle, {}
        prefix = _common(middle, number_middle)
        prefix = re.sub(r"\w+$", "", prefix)
        suffix = re.sub(r"^\w+", "", _common_end(middle[len(prefix) :], number_middle[len(prefix) :]))
        kinds = {}
        values = {
            "string": _VALUE_A,
            "number": 918273,
            "boolean": True,
            "null": None,
            "array": [918273],
            "object": {_KEY_B: 918273},
        }
        for kind, value in values.items():
            text = self._one({_KEY_A: value}) or ""
            at = text.find(_KEY_A)
            rest = text[at + len(_KEY_A) :]
            if at >= 0 and rest.startswith(prefix) and suffix in rest[len(prefix) :]:
                kinds[kind] = rest[len(prefix) : rest.index(suffix, len(prefix))]
        return f"{prefix}{KIND}{suffix}", kinds


def _argument_span(text: str, form: Any, key: str, value: str, start: int) -> tuple[int, int] | None:
    """Return the span of a call's arguments, of which ``key`` and ``value`` are the only ones."""
    end = text.find(value, start)
    at = text.rfind(key, start, max(end, 0))
    if at < 0 or end < 0:
        return None
    end += len(value)
    if isinstance(form, TaggedArguments):
        return at - len(form.key_begin), end + len(form.value_end.replace(KEY, key))
    if isinstance(form, LiteralArguments):
        return at, end + len(form.quote)
    begin = text.rfind('"{' if form.quoted else "{", start, at)
    if begin < 0:
        return None
    try:
        _, stop = json.JSONDecoder().raw_decode(text, begin)
    except ValueError:
        return None
    return begin, stop


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


def _between(text: str | None, first: str, second: str) -> str | None:
    if text is None or first not in text:
        return None
    begin = text.find(first) + len(first)
    end = text.find(second, begin)
    return None if end < 0 else text[begin:end]


def _common(first: str, second: str) -> str:
    """Return the longest common beginning."""
    size = min(len(first), len(second))
    return first[: next((at for at in range(size) if first[at] != second[at]), size)]


def _common_end(first: str, second: str) -> str:
    """Return the longest common end."""
    size = len(_common(first[::-1], second[::-1]))
    return first[len(first) - size :]


def _snapped(text: str, position: int) -> int:
    """Return ``position``, or the beginning of the tag that it is inside of."""
    return next((tag.start() for tag in _TAG.finditer(text) if tag.start() < position < tag.end()), position)


def _mark_end(first: str, second: str) -> str:
    """Return the longest common end that does not begin inside of a tag of ``first``."""
    start = len(first) - len(_common_end(first, second))
    return first[next((tag.end() for tag in _TAG.finditer(first) if tag.start() < start < tag.end()), start) :]


def _is_special(mark: str) -> bool:
    return bool(re.search(r"[|｜]", mark)) and len(mark) > 3
