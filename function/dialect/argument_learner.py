"""Form of the arguments of a call, learned from the chat template. Pure."""

import json
import re
from typing import Any

from function.dialect.mark_text import common, common_end, mark_end, snapped, text_between
from function.dialect.syntax import (
    KEY,
    KIND,
    MARK,
    JsonArguments,
    LiteralArguments,
    TaggedArguments,
)
from function.dialect.template_probe import (
    FIRST,
    KEY_A,
    KEY_B,
    VALUE_A,
    VALUE_B,
    TemplateProbe,
)


class ArgumentLearner:
    """Learner of the form of arguments: JSON, literals, or values between tags."""

    def __init__(self, probe: TemplateProbe) -> None:
        self._probe = probe

    def learn(self, one: str) -> tuple[Any, tuple[int, int]]:
        """Return the form of the arguments in the text of a call with two, and their span."""
        both = {KEY_A: VALUE_A, KEY_B: VALUE_B}
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
        if re.search(rf"'{KEY_A}'\s*:", one) or f'\\"{KEY_A}' in one:
            return None, (0, 0)  # Python's spelling of an object: the template wants text
        return self._spelled(one)

    def _spelled(self, one: str) -> tuple[Any, tuple[int, int]]:
        """Return the form of arguments that are not JSON."""
        a, b = one.find(KEY_A), one.find(KEY_B)
        value_a, value_b = one.find(VALUE_A, a), one.find(VALUE_B, b)
        if not 0 <= a < value_a < b < value_b:
            return None, (0, 0)
        middle = one[a + len(KEY_A) : value_a]
        number = self._probe.one_call({KEY_A: 918273})
        number_middle = text_between(number, KEY_A, "918273")
        if number_middle is None:
            return None, (0, 0)
        between = one[value_a + len(VALUE_A) : b]
        head = one[one.rfind(FIRST, 0, a) + len(FIRST) : a] if one.rfind(FIRST, 0, a) >= 0 else one[:a]
        tail = one[value_b + len(VALUE_B) :]
        quote = middle[len(number_middle) :] if middle.startswith(number_middle) and middle != number_middle else ""
        if quote and between.startswith(quote) and tail.startswith(quote):
            nested = self._probe.one_call({KEY_A: {"qzinner": "qzdeep"}}) or ""
            constant = self._probe.one_call({KEY_A: True}) or ""
            form: Any = LiteralArguments(
                assign=number_middle,
                separator=between[len(quote) :],
                quote=quote,
                plain_keys=f"qzinner{number_middle}" in nested,
                python=text_between(constant, KEY_A, "True") is not None,
            )
            return form, (a, value_b + len(VALUE_B) + len(quote))
        plain, tail = between.replace(KEY_A, KEY), tail.replace(KEY_B, KEY)
        key_begin = mark_end(plain, head)
        value_end = plain[: len(plain) - len(key_begin)]
        if not value_end or not tail.startswith(value_end):
            value_end = plain[: snapped(plain, len(common(plain, tail)))]
            key_begin = plain[len(value_end) :]
        if not (key_begin or value_end) or not head.endswith(key_begin):
            return None, (0, 0)
        key_end, kinds = self._key_end(middle, number_middle)
        nested_text = self._probe.one_call({KEY_A: {"qzinner": "qzdeep"}}) or ""
        in_tags = bool(MARK.search(value_end)) and f"{key_begin}qzinner" in nested_text
        form = TaggedArguments(key_begin, key_end, value_end, kinds, nested=in_tags)
        end = value_b + len(VALUE_B) + len(value_end.replace(KEY, KEY_B))
        return form, (a - len(key_begin), end)

    def _key_end(self, middle: str, number_middle: str) -> tuple[str, dict[str, str]]:
        """Return the text between a name and its value, with a slot for the type where it depends on it."""
        if middle == number_middle:
            return middle, {}
        prefix = common(middle, number_middle)
        prefix = re.sub(r"\w+$", "", prefix)
        suffix = re.sub(r"^\w+", "", common_end(middle[len(prefix) :], number_middle[len(prefix) :]))
        kinds = {}
        values = {
            "string": VALUE_A,
            "number": 918273,
            "boolean": True,
            "null": None,
            "array": [918273],
            "object": {KEY_B: 918273},
        }
        for kind, value in values.items():
            text = self._probe.one_call({KEY_A: value}) or ""
            at = text.find(KEY_A)
            rest = text[at + len(KEY_A) :]
            if at >= 0 and rest.startswith(prefix) and suffix in rest[len(prefix) :]:
                kinds[kind] = rest[len(prefix) : rest.index(suffix, len(prefix))]
        return f"{prefix}{KIND}{suffix}", kinds


def argument_span(text: str, form: Any, key: str, value: str, start: int) -> tuple[int, int] | None:
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
