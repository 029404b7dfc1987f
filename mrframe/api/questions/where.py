"""The condition of a question: from the text of `--where` to a function of fields.

It is a Python expression over fields. It is read as a syntax tree and only the nodes listed here are let through, so
that a condition can neither reach anything but its fields nor run for ever. A refusal names the construct. A
comparison with a field that has no value is false, as in SQL, where Python would raise: each part of the condition
that would raise on None is guarded.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from mrframe.errors import UsageError

_FIELD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_GUARDLESS = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
_PATH = re.compile(r"[\w@][\w@-]*(\.[\w@-]+)*")
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "int": int,
    "float": float,
    "str": str,
    "abs": abs,
    "round": round,
}
METHODS = frozenset(
    (
        *("startswith", "endswith", "lower", "upper", "strip", "lstrip", "rstrip", "removeprefix", "removesuffix"),
        *("find", "rfind", "count", "replace", "split", "rsplit", "isdigit", "isalpha", "isalnum"),
        *("weekday", "isoweekday", "date", "isoformat"),  # of the field time
    )
)
ATTRIBUTES = frozenset(("year", "month", "day", "hour", "minute", "second"))
_NODES = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
    *(ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Name, ast.Load, ast.Subscript, ast.Slice),
    *(ast.Call, ast.Attribute),
)
_CALLED = {
    ast.Lambda: "lambda",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: ":=",
    ast.Pow: "**",
    ast.IfExp: "if … else",
    ast.Starred: "*",
    ast.keyword: "a keyword argument",
}


def is_field_name(word: str) -> bool:
    """Return whether a word has the form of a field: an identifier, or a dotted path into JSON."""
    return _FIELD.fullmatch(word) is not None


def is_path(word: str) -> bool:
    """Return whether a word may be a path into JSON, whose names may have signs that an identifier has not."""
    return _PATH.fullmatch(word) is not None


def compile_where(text: str, *, nested: bool = False) -> tuple[Callable[..., bool], dict[str, str]]:
    """A function of fields from a condition such as `status >= 500 and path.startswith("/api")`.

    Its parameters are the fields that the condition names, so it can serve as a job's `where`. The dict says
    which field each stands for. With `nested` (JSON) `request.status` is a field too, as `request_status`.
    Raises UsageError that names the construct that is not possible.
    """
    tree, fields = parse_expression(text, "--where", nested=nested)
    return _function(tuple(fields), _guarded(tree)), fields


def parse_expression(text: str, given_as: str, *, nested: bool) -> tuple[ast.expr, dict[str, str]]:
    """Parse an expression. Returns its syntax tree, and {parameter: field} for its fields, in order.

    Raises UsageError that names the construct that is not allowed. `given_as` begins its message.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        position = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise UsageError(
            f"{given_as} {text!r} is no Python expression{position}: {getattr(error, 'msg', error)}"
        ) from None
    paths: dict[str, str] = {}
    if nested:
        tree = _Nested(paths).visit(tree)
    for node in ast.walk(tree):
        _check(node, f"{given_as} {text!r}")
    names = field_names(tree)
    if not names:
        raise UsageError(f"{given_as} {text!r} names no field; use one, such as: status >= 500")
    return tree.body, {name: paths.get(name, name) for name in names}


class _Nested(ast.NodeTransformer):
    """Dotted paths into JSON as plain names. A method that is called on a field is no part of its path."""

    def __init__(self, paths: dict[str, str]) -> None:
        self._paths = paths

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Visit the object and the arguments of a method call, and skip the method's name."""
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """`a.b.c` as the name `a_b_c`."""
        parts: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            return self.generic_visit(node)
        path = ".".join([inner.id, *reversed(parts)])
        name = path.replace(".", "_")
        self._paths[name] = path
        return ast.copy_location(ast.Name(name, ast.Load()), node)


def field_names(tree: ast.AST) -> tuple[str, ...]:
    """The fields that a condition names, in order of appearance."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called]
    return tuple(dict.fromkeys(n.id for n in sorted(names, key=lambda n: (n.lineno, n.col_offset))))


def _check(node: ast.AST, shown: str) -> None:
    """Raise UsageError for a node that is not allowed in an expression."""
    refused = ""
    if not isinstance(node, _NODES):
        refused = _CALLED.get(type(node), type(node).__name__)
    elif isinstance(node, ast.Call):
        refused = _refused_call(node)
    elif isinstance(node, ast.Attribute) and node.attr not in METHODS | ATTRIBUTES:
        refused = f".{node.attr}"
    elif isinstance(node, ast.Name) and node.id.startswith("__"):
        refused = node.id
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _has_text(node):
        refused = "a repeated text"
    if refused:
        allowed = "fields, literals, comparisons, and/or/not, in, arithmetic, " + ", ".join(sorted(FUNCTIONS))
        raise UsageError(f"{shown}: {refused} is not possible here; {allowed}, and text methods are")


def _refused_call(node: ast.Call) -> str:
    if node.keywords:
        return "a keyword argument"
    if isinstance(node.func, ast.Name):
        return "" if node.func.id in FUNCTIONS else f"{node.func.id}()"
    if isinstance(node.func, ast.Attribute):
        return "" if node.func.attr in METHODS else f".{node.func.attr}()"
    return "calling an expression"


def _has_text(node: ast.BinOp) -> bool:
    def text(side: ast.expr) -> bool:
        return isinstance(side, (ast.List, ast.Tuple)) or (
            isinstance(side, ast.Constant) and isinstance(side.value, (str, bytes))
        )

    return text(node.left) or text(node.right)


def _guarded(node: ast.expr) -> ast.expr:
    """The condition with each part that would raise on a missing value made false for one."""
    if isinstance(node, ast.BoolOp):
        return ast.BoolOp(node.op, [_guarded(part) for part in node.values])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ast.UnaryOp(ast.Not(), _guarded(node.operand))
    names = _needing_value(node)
    checks: list[ast.expr] = [
        ast.Compare(ast.Name(name, ast.Load()), [ast.IsNot()], [ast.Constant(None)]) for name in names
    ]
    return ast.BoolOp(ast.And(), [*checks, node]) if checks else node


def _needing_value(node: ast.expr) -> tuple[str, ...]:
    """The fields of a part that it cannot do without: all but those only tested for equality or membership."""
    if isinstance(node, ast.Name):
        return ()
    if isinstance(node, ast.Compare) and all(isinstance(op, _GUARDLESS) for op in node.ops):
        sides = [node.left, *node.comparators]
        needing = [side for side in sides if not isinstance(side, ast.Name)]
        if isinstance(node.ops[-1], (ast.In, ast.NotIn)):
            needing.append(node.comparators[-1])  # the container must be there
        return tuple(dict.fromkeys(name for side in needing for name in field_names(side)))
    return field_names(node)


def _function(names: tuple[str, ...], body: ast.expr) -> Callable[..., bool]:
    """`def where(names): return body`, in a namespace of its own that is no module, so that it travels by value."""
    arguments = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
    function = ast.FunctionDef("where", arguments, [ast.Return(body)], [], lineno=1, col_offset=0)
    module = ast.fix_missing_locations(ast.Module([function], []))
    namespace: dict[str, Any] = {"__builtins__": {}, "__name__": "--where", **FUNCTIONS}
    exec(compile(module, "<--where>", "exec"), namespace)  # noqa: S102 -- of a tree made of listed nodes only
    made: Callable[..., bool] = namespace["where"]
    return made
