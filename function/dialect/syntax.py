"""The way a model writes thoughts and tool calls. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

NAME, ARGUMENTS, ID, INDEX, KEY, KIND = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004", "\ue005"
"""Slots in the texts of a syntax: private characters that no template writes."""
SLOTS = NAME + ARGUMENTS + ID + INDEX + KEY + KIND

MARK = re.compile(
    r"<<+/?[^\s<>]{1,60}>>+|\]<\]\w{1,40}\[>\["
    r"|<\|[^|<>\n]{1,60}\|>|<｜[^｜<>\n]{1,60}｜>|<\|[\w\"]{1,40}>|<[\w\"]{1,40}\|>"
    r"|</?[^\s<>/][^\s<>]{0,60}>|\[/?[A-Z][A-Z_ ]*\]"
)
"""Text in the form of a control token."""
KNOWN_THOUGHTS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<thinking>", "</thinking>"),
)
"""Marks around thoughts that count at the beginning of any reply."""


@dataclass(frozen=True, slots=True)
class ThoughtSyntax:
    """Marks around a thought.

    ``prefix`` is text that the prompt ends with and that belongs to the thought; ``gap`` is the white space between
    thought and answer. Without ``begin`` every reply begins with a thought. ``turn`` is the header of the answer's own
    message, where thought and answer are two messages; ``gap`` holds it too.
    """

    begin: str
    end: str
    prefix: str = ""
    gap: str = "\n\n"
    turn: str = ""


@dataclass(frozen=True, slots=True)
class JsonArguments:
    """Arguments as one JSON object; with ``quoted`` as a string that holds it."""

    quoted: bool = False


@dataclass(frozen=True, slots=True)
class TaggedArguments:
    """Arguments as names and values between tags: ``<parameter=city>Paris</parameter>``.

    ``key_end`` may hold KIND, a word for the value's type, as ``kinds`` has it for the types of JSON. ``value_end``
    may hold KEY. With ``nested`` objects and lists are tags again.
    """

    key_begin: str
    key_end: str
    value_end: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    nested: bool = False


@dataclass(frozen=True, slots=True)
class LiteralArguments:
    """Arguments as literals: ``city="Paris", days=3``.

    ``quote`` is the mark around strings; ``plain_keys`` says that names inside of objects have no quotes either;
    ``python`` that constants are Python's.
    """

    assign: str
    separator: str
    quote: str
    plain_keys: bool = False
    python: bool = False


Arguments = JsonArguments | TaggedArguments | LiteralArguments


@dataclass(frozen=True, slots=True)
class CallSyntax:
    """Tool calls: ``section_begin call (separator call)* section_end``.

    ``call`` is one call's text with the slots NAME and ARGUMENTS, and ID or INDEX where the template writes them.
    ``is_object``: the call is a JSON object that holds name and arguments. ``parallel``: several calls can be written.
    """

    call: str
    arguments: Arguments
    section_begin: str = ""
    section_end: str = ""
    separator: str = ""
    is_object: bool = False
    parallel: bool = False
    first_index: int = 0
    further_begins: tuple[str, ...] = ()
    """Marks that begin a call too although the template does not write them."""

    @property
    def begin(self) -> str:
        """Text of a call up to its name, or to its arguments where they come first."""
        return self.call[: min(self.call.index(NAME), self.call.index(ARGUMENTS))]

    @property
    def end(self) -> str:
        """Text of a call after its arguments; it may hold the name again."""
        return self.call[self.call.rindex(ARGUMENTS) + 1 :]

    @property
    def arguments_first(self) -> bool:
        """The arguments come before the name."""
        return self.call.index(ARGUMENTS) < self.call.index(NAME)

    @property
    def texts(self) -> Iterable[str]:
        """All literal texts."""
        yield from (self.section_begin, self.section_end, self.separator, self.call, *self.further_begins)
        arguments = self.arguments
        if isinstance(arguments, TaggedArguments):
            yield from (arguments.key_begin, arguments.key_end, arguments.value_end, *arguments.kinds.values())
        elif isinstance(arguments, LiteralArguments):
            yield arguments.quote


@dataclass(frozen=True, slots=True)
class ChannelSyntax:
    """Replies that consist of messages with headers, each with a channel or a recipient.

    A header ends with ``header_end``; it may name a recipient (``to=``), a channel (after ``channel_mark``), or be
    the recipient itself (``bare``). ``message_ends`` end a message, and ``message_begin`` begins the next.
    """

    message_begin: str
    header_end: str
    message_ends: tuple[str, ...]
    content_header: str
    call_header: str
    thought_header: str = ""
    thought_end: str = ""
    channel_mark: str = ""
    bare: bool = False
    content_names: tuple[str, ...] = ("user", "all", "assistant")
    thought_names: tuple[str, ...] = ("self",)


@dataclass(frozen=True, slots=True)
class HistoryRules:
    """Requirements of a template for the messages of a conversation."""

    system: bool = True
    """The template writes a system message at the beginning."""
    later_system: bool = True
    """The template writes further system messages."""
    alternates: bool = False
    """User and assistant have to take turns."""
    text_arguments: bool = False
    """A call's arguments have to be text."""
    single_calls: bool = False
    """A message holds one call at most."""
    short_ids: bool = False
    """Ids of calls have nine letters and digits."""
    thought_field: str = "reasoning_content"
    """The field of a message in which the template looks for its thought."""
    thoughts: Literal["field", "content", "text"] = "text"
    """A thought between its marks in the content of a reply: the template treats it as it treats the field, or in a way
    of its own, or as any other text."""


@dataclass(frozen=True)
class Dialect:
    """The way a model writes thoughts and tool calls, and the messages that its template takes.

    ``native``: the template writes tools and calls itself. ``content_marks`` stand around content and turns and are
    no text; ``answer_begins`` are those before content.
    """

    calls: CallSyntax
    native: bool = False
    thought: ThoughtSyntax | None = None
    channels: ChannelSyntax | None = None
    content_marks: tuple[str, ...] = ()
    answer_begins: tuple[str, ...] = ()
    history: HistoryRules = field(default_factory=HistoryRules)

    @property
    def has_thoughts(self) -> bool:
        """The model may write thoughts."""
        return self.thought is not None or (self.channels is not None and bool(self.channels.thought_header))

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """All texts that may be tokens of their own in the vocabulary, which text does not show."""
        return _unique_marks([*self._frame, *self.calls.texts])

    @cached_property
    def frame_marks(self) -> tuple[str, ...]:
        """Those of ``marks`` that a reply without calls may hold."""
        return _unique_marks(self._frame)

    @property
    def _frame(self) -> list[str]:
        texts = [*self.content_marks]
        if self.thought:
            texts += [self.thought.begin, self.thought.end]
        if channels := self.channels:
            texts += [channels.message_begin, channels.header_end, *channels.message_ends, channels.channel_mark]
            texts += [channels.call_header, channels.thought_header, channels.content_header]
        return texts


def _unique_marks(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mark for text in texts for mark in marks_of(text)))


HERMES = CallSyntax(
    call=f'<tool_call>\n{{"name": "{NAME}", "arguments": {ARGUMENTS}}}\n</tool_call>',
    arguments=JsonArguments(),
    separator="\n",
    is_object=True,
    parallel=True,
)
"""Syntax for models whose templates know no tools."""
PLAIN = Dialect(HERMES)

_PIECE = re.compile(rf"[{SLOTS}]|{MARK.pattern}|[^\s{SLOTS}]")


def pieces(text: str) -> list[str]:
    """Return ``text`` as words, marks and slots, without white space."""
    found: list[str] = []
    last = -1
    for match in _PIECE.finditer(text):
        word = match[0]
        single = len(word) == 1 and word not in SLOTS
        if single and found and last == match.start() and len(found[-1]) and not _closed(found[-1]):
            found[-1] += word
        else:
            found.append(word)
        last = match.end()
    return found


def marks_of(text: str) -> list[str]:
    """Return the pieces of ``text`` that may be control tokens."""
    return [piece for piece in pieces(text) if piece not in SLOTS and len(piece) > 1 and not piece.isalnum()]


def is_distinctive(piece: str) -> bool:
    """Return true for a piece that can hardly be part of prose."""
    return len(piece) > 2 and bool(re.search(r"[<\[|｜>#@{]", piece)) and piece not in SLOTS


def _closed(piece: str) -> bool:
    return piece in SLOTS or bool(MARK.fullmatch(piece))
