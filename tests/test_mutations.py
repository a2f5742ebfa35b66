"""Mutations: the changes that mutation testing makes."""

import ast

import pytest

from tools.mutations import mutate, mutations


def changed(source: str) -> list[str]:
    """Return the text of ``source`` after each of its changes."""
    return [mutate(source, mutation.number).rstrip() for mutation in mutations(source)]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = a == b < c", ["x = a != b < c"]),
        ("x = a and b", ["x = a or b"]),
        ("x = a - 2", ["x = a + 2", "x = a - 3"]),
        ("x = not a", ["x = not not a"]),
        ("x = a if b else c", ["x = a if not b else c"]),
        ("x = [a for a in b if c]", ["x = [a for a in b if not c]"]),
        ("x += y", ["x -= y"]),
        ("x = True", ["x = False"]),
        ("x.y = z", ["pass"]),
        ("f()", ["pass"]),
        ("raise E(1 + 2)", ["pass"]),
        ("if a:\n    b", ["if not a:\n    b"]),
        ("for a in b:\n    break", ["for a in ():\n    break", "for a in b:\n    continue"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("try:\n    a\nexcept E:\n    b", ["try:\n    a\nexcept E:\n    raise"]),
        ("try:\n    a\nexcept E:\n    raise", ["try:\n    a\nexcept E:\n    pass"]),
    ],
)
def test_each_change_is_made_alone(source: str, texts: list[str]) -> None:
    assert changed(source) == texts


@pytest.mark.parametrize(
    "source",
    [
        '"""Return 1 + 2."""',
        "POLL_SECONDS = 1 + 2",
        "_LIMIT: int = 3",
        "x: Literal[1]",
        "assert a < 1",
        "if TYPE_CHECKING:\n    f()",
        'log.info("%d", a + 1)',
        "@cache(1)\ndef f(a: T[2]) -> T[3]:\n    pass",
        "def f():\n    return None",
    ],
)
def test_texts_annotations_and_values_of_constants_are_not_changed(source: str) -> None:
    assert changed(source) == []


def test_mutation_names_its_place() -> None:
    source = "x = f(\n    1,\n)\ndef f():\n    if (\n        a\n        and b\n    ):\n        c()\n"
    found = [(mutation.kind, mutation.line, mutation.lines, mutation.function) for mutation in mutations(source)]
    assert found == [
        ("constant", 2, range(1, 4), False),
        ("condition", 6, range(5, 9), True),
        ("and, or", 6, range(5, 9), True),
        ("call removed", 9, range(9, 10), True),
    ]
    assert mutations(source)[2].text == "a and b"
    assert ast.parse(mutate(source, 3))
