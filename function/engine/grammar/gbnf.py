"""Grammars in GBNF, the form of llama.cpp."""

from function.engine.grammar.grammar import MAX_SCHEMA_CHARACTERS, Grammar
from function.engine.grammar.probe import convert_gbnf
from function.errors import RequestError


def gbnf_grammar(text: str, param: str) -> Grammar:
    """Return the grammar of ``text``, GBNF from the request's field ``param``. Raises RequestError for a bad one."""
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise RequestError(
            f"{param}: a grammar may have {MAX_SCHEMA_CHARACTERS:,} characters, and this one has {len(text):,}.",
            param=param,
        )
    return Grammar(convert_gbnf(text, param), (), origin=param)
