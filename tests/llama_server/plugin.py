"""Plugin of pytest that adapts llama.cpp's server tests to another model than the one they download.

Texts that only the tests' own model writes may be any text, and numbers of its tokens any number.
"""

import sys
import types
from typing import Any

STORY_TEXTS = frozenset(
    (
        "(going|bed)+", "(princesses|everyone|kids|Anna|forest)+", "But she couldn't", "^ blue", "Whillicter",
        "(Suddenly)+|\\{ \" Sarax.", "(Suddenly)+", "(Aside|she|felter|alonger)+", "(little|girl)+", "[ -3000 ]",
    )
)  # fmt: skip
"""Patterns of texts that the tests' own model writes."""


class AnyCount(int):
    """Number that equals every positive number."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and other > 0

    def __hash__(self) -> int:
        return 0


sys.modules.setdefault("wget", types.ModuleType("wget"))  # nothing is downloaded
import utils  # type: ignore[import-not-found]  # noqa: E402  of the tests, which import it after this plugin

_match_regex = utils.match_regex
utils.match_regex = lambda regex, text: bool(text) if regex in STORY_TEXTS else _match_regex(regex, text)
utils.ServerPreset.load_all = staticmethod(lambda: None)


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Replace numbers of the model's tokens in parameters."""
    for item in items:
        params = getattr(item, "callspec", None) and item.callspec.params
        if params and isinstance(params.get("n_prompt"), int):
            params["n_prompt"] = AnyCount()
        if params and params.get("n_token_output") == 248:
            params["n_token_output"] = AnyCount()
