"""A model's dialect, learned from the texts that its chat template writes for probe messages. Pure."""

import re
from collections.abc import Sequence
from dataclasses import replace

from function.dialect.call_learner import CallLearner
from function.dialect.mark_text import GROUP, is_special
from function.dialect.syntax import (
    HERMES,
    MARK,
    NAME,
    ChannelSyntax,
    Dialect,
    HistoryRules,
    ThoughtSyntax,
)
from function.dialect.template_probe import (
    ANSWER,
    FIRST,
    KEY_A,
    LONG_ID,
    THOUGHT,
    USER,
    USER_TEXT,
    VALUE_A,
    Message,
    Render,
    TemplateProbe,
)
from function.dialect.thought_learner import THOUGHT_FIELDS, ThoughtLearner
from function.dialect.undisclosed import undisclosed_calls


def learn(render: Render, source: str = "") -> Dialect:
    """Return the dialect of a template.

    ``source`` is the template's text, for marks that no message makes it write. A template that knows no tools gets
    the syntax of Hermes, and ``native`` is false.
    """
    return _Learner(render, source).dialect()


class _Learner:
    def __init__(self, render: Render, source: str) -> None:
        self._source = source
        self._probe = TemplateProbe(render)
        self._thoughts = ThoughtLearner(self._probe, source)

    def dialect(self) -> Dialect:
        history = self._history()
        reply = self._probe.reply(ANSWER)
        channels = self._channels(reply)
        thought = None if channels else self._thoughts.learn(reply)
        history = self._with_thoughts(history, thought)
        marks = self._content_marks(reply, thought)
        if thought and thought.turn and reply:
            marks = (*marks, thought.turn)
        begins = tuple(mark for mark in marks if reply and reply.find(mark) in range(reply.find(ANSWER)))
        learner = CallLearner(self._probe, self._source, frozenset(begins))
        calls = None
        for self._probe.text_arguments in (False, True):
            if calls := learner.learn(thought, marks, channels):
                break
        if calls is None and (known := undisclosed_calls(self._source)):
            return Dialect(known, True, thought, channels, marks, begins, history)
        if calls is None:
            return Dialect(HERMES, False, thought, channels, marks, begins, history)
        history = replace(
            history,
            text_arguments=self._probe.text_arguments,
            single_calls=self._probe.two_calls() is None,
            short_ids=self._probe.body(self._probe.message(self._probe.call(FIRST, {KEY_A: VALUE_A}, LONG_ID))) is None,
        )
        return Dialect(calls, True, thought, channels, marks, begins, history)

    def _history(self) -> HistoryRules:
        """Return the rules that probes of several messages show."""
        system = {"role": "system", "content": "qzsystem"}
        later = {"role": "system", "content": "qzlater"}
        answer = {"role": "assistant", "content": ANSWER}
        again = {**USER, "content": "qzagain"}

        def keeps(messages: Sequence[Message], *words: str) -> bool:
            text = self._probe.render(messages)
            return text is not None and all(word in text for word in words)

        return HistoryRules(
            system=keeps([system, USER], "qzsystem"),
            later_system=keeps([system, USER, answer, later, USER], "qzsystem", "qzlater")
            and keeps([system, later, USER], "qzsystem", "qzlater"),
            alternates=not keeps([USER, again], USER_TEXT, "qzagain"),
        )

    def _with_thoughts(self, history: HistoryRules, thought: ThoughtSyntax | None) -> HistoryRules:
        """Return ``history`` with what becomes of thoughts in a conversation."""
        call = self._probe.call(FIRST, {KEY_A: VALUE_A})
        for field in THOUGHT_FIELDS:
            given = {field: THOUGHT}
            probes = (self._probe.message(content=ANSWER, **given), self._probe.message(call, **given))
            if any(THOUGHT in (self._probe.render([USER, probe], prompt=False) or "") for probe in probes):
                history = replace(history, thought_field=field)
                break
        if thought is None:
            return history

        def written(message: Message) -> list[str]:
            later = [USER, message, USER, self._probe.message(content="qzlater"), USER]
            render = self._probe.render
            texts = (render([USER, message], prompt=False), render([USER, message, USER]), render(later))
            return ["".join((text or "").split()) for text in texts]

        def tagged(begin: str, end: str) -> list[str]:
            return written(self._probe.message(content=f"{begin}\n{THOUGHT}\n{end}\n\n{ANSWER}"))

        found = tagged(thought.begin, thought.end)
        if found == written(self._probe.message(content=ANSWER, **{history.thought_field: THOUGHT})):
            return replace(history, thoughts="field")
        plain = [
            text.replace("qzbegin", thought.begin).replace("qzend", thought.end) for text in tagged("qzbegin", "qzend")
        ]
        return history if found == ["".join(text.split()) for text in plain] else replace(history, thoughts="content")

    def _content_marks(self, reply: str | None, thought: ThoughtSyntax | None) -> tuple[str, ...]:
        """Return the marks before and after content, without those of the thought."""
        if reply is None:
            return ()
        at = reply.find(ANSWER)
        before, after = reply[:at], reply[at + len(ANSWER) :]
        if thought:
            before = before.rpartition(thought.end)[2] if thought.end else before
            before = before.removeprefix(thought.begin)
        found = [match[0] for text in (before, after) for match in GROUP.finditer(text)]
        if before.strip() and before.strip() not in found:
            found.insert(0, before.strip())
        known = {thought.begin, thought.end} if thought else set()
        return tuple(dict.fromkeys(mark for mark in found if mark not in known and is_special(mark)))

    def _channels(self, reply: str | None) -> ChannelSyntax | None:
        """Return the syntax of replies that consist of messages with headers."""
        if reply is None or not self._probe.prompts:
            return None
        header, after = reply.split(ANSWER, 1)
        end = MARK.search(after)
        ends = (end[0],) if end else ()
        begin = MARK.split(self._probe.prompts[0])[-1].strip()
        if header == "all\n" and begin and not begin.isalnum():
            return ChannelSyntax(begin, "\n", ends, header, f"{NAME}\n", bare=True)
        last = list(MARK.finditer(header))
        role = re.search(rf"({MARK.pattern})assistant$", self._probe.prompts[0])
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
        for text in self._thoughts.written_thoughts():
            between = text[text.find(THOUGHT) + len(THOUGHT) :]
            between = between[: between.find(begin) + len(begin)] if begin in between else ""
            thought = f" to=self{end_mark}"
            return ChannelSyntax(begin, end_mark, ends, header, f" to={NAME}{end_mark}", thought, between)
        return ChannelSyntax(begin, end_mark, ends, header, f" to={NAME}{end_mark}")
