"""The dialect of the loaded model, learned once from its chat template."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from function.dialect.learner import learn
from function.dialect.syntax import PLAIN, Dialect
from function.engine import Engine
from function.web.request.message_guard import ControlNames, control_names


@dataclass(frozen=True, slots=True)
class ModelDialect:
    """A dialect, and its marks that are control tokens of the model: all, and those of a reply without calls.

    ``names`` are all texts that the model's tokenizer would take for control tokens.
    """

    dialect: Dialect
    marks: frozenset[int]
    frame_marks: frozenset[int]
    names: ControlNames


_known: "WeakKeyDictionary[Engine, ModelDialect]" = WeakKeyDictionary()
_lock = threading.Lock()


def model_dialect(engine: Engine) -> ModelDialect:
    """Return the dialect of ``engine``'s model. The first call takes some 40 ms, and further calls nothing."""
    with _lock:
        if (found := _known.get(engine)) is None:
            found = _known[engine] = _learned(engine)
        return found


def _learned(engine: Engine) -> ModelDialect:
    def render(messages: Sequence[dict[str, Any]], **variables: Any) -> str:
        return engine.render(messages, **variables)

    dialect = PLAIN if engine.chat_template is None else learn(render, engine.chat_template)
    return ModelDialect(
        dialect,
        engine.find_control_tokens(dialect.marks),
        engine.find_control_tokens(dialect.frame_marks),
        ControlNames(control_names(*engine.read_special_names(), source=engine.chat_template or "")),
    )
