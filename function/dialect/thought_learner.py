"""Syntax of thoughts, learned from the chat template. Pure."""

import re

from function.dialect.mark_text import common, snapped
from function.dialect.syntax import (
    KNOWN_THOUGHTS,
    MARK,
    ThoughtSyntax,
)
from function.dialect.template_probe import (
    ANSWER,
    FIRST,
    IDS,
    KEY_A,
    THOUGHT,
    USER,
    USER_TEXT,
    VALUE_A,
    Message,
    TemplateProbe,
)

THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thought")
"""Fields of messages from which templates take a thought."""
_WRITTEN_PARTS = re.compile(r"""["']thinking["']: ["']""")


class ThoughtLearner:
    """Learner of a template's thoughts; ``source`` is the template's text."""

    def __init__(self, probe: TemplateProbe, source: str) -> None:
        self._probe = probe
        self._source = source

    def learn(self, reply: str | None) -> ThoughtSyntax | None:
        for text in self.written_thoughts():
            at, end = text.find(THOUGHT), text.find(THOUGHT) + len(THOUGHT)
            if found := self._around(text[:at], text[end:], reply):
                return found
        return self._opened_thought()

    def written_thoughts(self) -> list[str]:
        """Return whole prompts in which the template writes a thought."""
        fields = dict.fromkeys(THOUGHT_FIELDS, THOUGHT)
        call = self._probe.call(FIRST, {KEY_A: VALUE_A})
        result = {"role": "tool", "tool_call_id": IDS[0], "name": FIRST, "content": "qzresult"}
        parts = [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": ANSWER}]
        last = self._probe.message(content=ANSWER)
        messages: list[list[Message]] = [
            [self._probe.message(content=ANSWER, **fields)],
            [self._probe.message(call, **fields)],
            [self._probe.message(call, content=ANSWER, **fields)],
            [self._probe.message(call, **fields), result, last],
            [self._probe.message(**fields)],
            [{"role": "assistant", "content": parts}],
            [self._probe.message(content=ANSWER, reasoning_content=THOUGHT)],
        ]
        texts = [self._probe.render([USER, *each], prompt=False) for each in messages]
        return [text for text in texts if text and THOUGHT in text and not _WRITTEN_PARTS.search(text)]

    def _around(self, before: str, after: str, reply: str | None) -> ThoughtSyntax | None:
        """Return the marks around a thought in a prompt, given the text on both of its sides."""
        between = after.split(ANSWER)[0]
        between, space = between.strip(), between
        opening = list(MARK.finditer(before))
        first = MARK.search(between)
        end = between if first is None else between[: first.end()]
        if not opening:
            return None
        begin = before[opening[-1].start() :].rstrip()
        role = (
            self._probe.render([USER, self._probe.message(content=ANSWER)], prompt=False) if reply is not None else None
        )
        header = role[: role.rfind(ANSWER)] if role is not None and ANSWER in role else ""
        shared = snapped(header, len(common(header, before)))
        user = before[: before.find(USER_TEXT)]
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
        if not begin and self._probe.prompts:
            prefix = self._probe.prompts[0][self._probe.shared(self._probe.prompts[0], before) :]
            prefix = prefix.lstrip() if not before.endswith("\n") else prefix
        gap = space.lstrip()[len(end) :]
        answer = header[shared:].strip()
        turn = gap.strip().removesuffix(answer).strip() if answer and gap.strip().endswith(answer) else ""
        gap = gap if turn else gap[: len(gap) - len(gap.lstrip())]
        return ThoughtSyntax(begin, end, prefix, gap.removesuffix(answer) if turn else gap, turn)

    def _opened_thought(self) -> ThoughtSyntax | None:
        """Return marks that only the prompts or the source show."""
        if len(self._probe.prompts) == 2:
            thinking, calm = (prompt.rstrip() for prompt in self._probe.prompts)
            rest = calm[len(thinking) :].strip() if calm.startswith(thinking) else ""
            last = list(MARK.finditer(thinking))
            if MARK.fullmatch(rest) and last and last[-1].end() == len(thinking):
                return ThoughtSyntax(last[-1][0], rest)
        for begin, end in KNOWN_THOUGHTS:
            if end in self._source or any(prompt.rstrip().endswith(begin) for prompt in self._probe.prompts):
                return ThoughtSyntax(begin, end)
        return None
