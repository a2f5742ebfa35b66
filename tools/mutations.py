"""Small changes of a program, each of which a test should notice. Pure.

Nothing is changed in texts (docstrings, log lines, messages of errors), annotations, decorators, assertions,
type-checking blocks and the values of a module's constants.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
BODIES = ("body", "orelse", "finalbody")
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "format_spec"}

Change = tuple[str, ast.AST, Callable[[], None]]
"""Kind, changed code, and the change of the tree."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Change ``number`` of a file: ``kind`` of ``text`` in ``line``.

    The changed code runs with a line of ``lines``. ``function`` is false for code that runs when a module is imported.
    """

    number: int
    kind: str
    line: int
    text: str
    lines: range
    function: bool


def mutations(source: str) -> list[Mutation]:
    """Return every change of ``source``."""
    return [
        Mutation(
            number,
            kind,
            getattr(node, "lineno", statement.lineno),
            ast.unparse(node).partition("\n")[0],
            _lines(node if isinstance(node, ast.ExceptHandler) else statement),
            function,
        )
        for number, (statement, function, (kind, node, _)) in enumerate(_places(ast.parse(source)))
    ]


def mutate(source: str, number: int) -> str:
    """Return ``source`` with change ``number``."""
    tree = ast.parse(source)
    _, _, (_, _, change) = list(_places(tree))[number]
    change()
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _lines(code: ast.stmt | ast.ExceptHandler) -> range:
    """Return the lines of a statement or of its head; those of the first statement in an except block."""
    if isinstance(code, ast.ExceptHandler):
        return _lines(code.body[0])
    body: list[ast.stmt] = getattr(code, "body", [])
    end = code.end_lineno or code.lineno
    return range(code.lineno, max(body[0].lineno, code.lineno + 1) if body else end + 1)


def _places(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool, Change]]:
    """Yield each change with its statement; true for one in a function."""
    for block, index, function in _statements(tree, function=False):
        for change in _of_statement(block, index):
            yield block[index], function, change


def _statements(owner: ast.AST, function: bool) -> Iterator[tuple[list[ast.stmt], int, bool]]:
    """Yield the statements in the bodies of ``owner``, each as a list and an index."""
    function = function or isinstance(owner, ast.FunctionDef)
    for name in BODIES:
        block: list[ast.stmt] = getattr(owner, name, [])
        for index, statement in enumerate(block):
            if not _is_skipped(statement):
                yield block, index, function
                yield from _statements(statement, function)
    for part in (*getattr(owner, "handlers", ()), *getattr(owner, "cases", ())):
        yield from _statements(part, function)


def _is_skipped(statement: ast.stmt) -> bool:
    match statement:
        case ast.If(test=test):
            return ast.unparse(test).endswith("TYPE_CHECKING")
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name.isupper() or name == "__all__"
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "_log")))):
            return True
    return isinstance(statement, ast.Assert)


def _of_statement(block: list[ast.stmt], index: int) -> Iterator[Change]:
    """Yield the changes of one statement and of its expressions, without those of the statements in it."""

    def replacement(new: ast.stmt) -> Callable[[], None]:
        return lambda: block.__setitem__(index, new)

    match statement := block[index]:
        case ast.Expr(value=ast.Call()):
            yield "call removed", statement, replacement(ast.Pass())
        case ast.Raise():
            yield "raise removed", statement, replacement(ast.Pass())
            return
        case ast.Return(value=ast.expr()) if ast.unparse(statement) != "return None":
            yield "None returned", statement, replacement(ast.Return(ast.Constant(None)))
        case ast.Break():
            yield "continue for break", statement, replacement(ast.Continue())
        case ast.Continue():
            yield "break for continue", statement, replacement(ast.Break())
        case ast.For():
            yield "loop over nothing", statement.iter, _setter(statement, "iter", ast.Tuple([], ast.Load()))
        case ast.AugAssign(op=op) if type(op) in OPERATORS:
            yield "operator", statement, _setter(statement, "op", OPERATORS[type(op)]())
        case ast.Assign(targets=[ast.Attribute()]):
            yield "assignment removed", statement, replacement(ast.Pass())
        case ast.If(test=test) | ast.While(test=test) if not _has_own_negation(test):
            yield "condition", test, _setter(statement, "test", _negated(test))
        case ast.Try():
            for handler in statement.handlers:
                if ast.unparse(handler.body[0]) != "raise":
                    yield "error not handled", handler, _setter(handler, "body", [ast.Raise()])
    yield from _of_expressions(statement, skipped={*SKIPPED_FIELDS, *BODIES, "handlers", "cases"})


def _of_expressions(node: ast.AST, skipped: set[str] = SKIPPED_FIELDS) -> Iterator[Change]:
    match node:
        case ast.Compare(ops=[op, *others]) if type(op) in COMPARISONS:
            yield "comparison", node, _setter(node, "ops", [COMPARISONS[type(op)](), *others])
        case ast.BoolOp(op=op):
            yield "and, or", node, _setter(node, "op", ast.And() if isinstance(op, ast.Or) else ast.Or())
        case ast.BinOp(op=op) if type(op) in OPERATORS:
            yield "operator", node, _setter(node, "op", OPERATORS[type(op)]())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not removed", node, _setter(node, "operand", _negated(operand))
        case ast.IfExp(test=test) if not _has_own_negation(test):
            yield "condition", node, _setter(node, "test", _negated(test))
        case ast.comprehension(ifs=[test, *others]) if not _has_own_negation(test):
            yield "condition", test, _setter(node, "ifs", [_negated(test), *others])
        case ast.Constant(value=bool(value)):
            yield "constant", node, _setter(node, "value", not value)
        case ast.Constant(value=int(number) | float(number)):
            yield "constant", node, _setter(node, "value", number + 1)
    for name, field in ast.iter_fields(node):
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST) and name not in skipped:
                yield from _of_expressions(child)


def _has_own_negation(test: ast.expr) -> bool:
    """Return true for ``not x``, ``x == y``, ``x is y`` and ``x in y``, which other changes negate."""
    match test:
        case ast.Compare(ops=[op]):
            return not isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE)
        case ast.UnaryOp(op=ast.Not()):
            return True
    return False


def _negated(test: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), test)


def _setter(node: ast.AST, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, name, value)
