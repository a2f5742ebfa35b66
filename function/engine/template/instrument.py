"""What Jinja compiles a template to, rewritten: all that happens in it without a call goes through the sandbox."""

import ast


def watched(source: str, filename: str) -> ast.Module:
    """The Python that Jinja made of a template, to be run with an ``environment`` that is a Sandbox."""
    tree: ast.Module = ast.fix_missing_locations(_Watched().visit(ast.parse(source, filename)))
    return tree


class _Watched(ast.NodeTransformer):
    """Sends what a template does on its own, in Python, through the sandbox: each turn of a loop or a macro, ``a ~ b``,
    parts that are cut out, lists that are written down, and what is written, compared or a key."""

    def visit_For(self, node: ast.For) -> ast.AST:
        over = node.iter
        if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id == "LoopContext":
            over.args[0] = _through("each", over.args[0])
        else:
            node.iter = _through("each", over)
        return self._tick(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._tick(node) if node.name in ("macro", "loop") else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("str_join", "str"):
            node.func = _method("join" if node.func.id == "str_join" else "text")
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        node.left = _weighing(node.left)
        pairs = zip(node.ops, node.comparators, strict=True)
        node.comparators = [side if isinstance(op, (ast.In, ast.NotIn)) else _weighing(side) for op, side in pairs]
        return node

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = [one if isinstance(one, ast.Assign) else self.visit(one) for one in node.body]  # only Jinja's own
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return _through("made", node) if isinstance(node.slice, ast.Slice) else node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        node.keys = [key and _weighing(key) for key in node.keys]
        return _through("made", node)

    def visit_List(self, node: ast.List) -> ast.AST:
        self.generic_visit(node)
        return _through("made", node) if isinstance(node.ctx, ast.Load) and node.elts else node

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        self.generic_visit(node)
        return _through("made", node) if isinstance(node.ctx, ast.Load) and node.elts else node

    def _tick(self, node: ast.For | ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body[:0] = ast.parse("environment.tick()").body
        return node


def _method(name: str) -> ast.expr:
    return ast.parse(f"environment.{name}", mode="eval").body


def _through(name: str, value: ast.expr) -> ast.Call:
    return ast.Call(_method(name), [value], [])


def _weighing(side: ast.expr) -> ast.expr:
    return side if isinstance(side, ast.Constant) else _through("weigh", side)
