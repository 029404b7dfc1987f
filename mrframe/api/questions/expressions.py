"""Compiles the expressions of a question into a map: `'path.rsplit(".")[-1]'` as a key, `size / 1024` as a value.

The language is that of conditions (`where.py`). An expression is None where a field that it needs
has no value, where it asks for an item that is not there, and where a text is no number.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrframe.api.questions.where import ATTRIBUTES, FUNCTIONS, field_names, is_path, parse_expression
from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import UsageError

_SIGN_OF_EXPRESSION = re.compile(r"""[("' <>=+%]|//|\w\[""")
PERIOD_OF = "period_of"  # the function that a period calls
_FAULTS = (IndexError, ValueError, ZeroDivisionError)


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression over fields: its text, its syntax tree, and {parameter: field} for each field it reads."""

    text: str
    tree: ast.expr
    fields: dict[str, str]
    is_period: bool = False

    @property
    def field(self) -> str | None:
        """The parameter of the field, if the expression is just a field, else None."""
        return self.tree.id if isinstance(self.tree, ast.Name) else None


def is_expression(word: str) -> bool:
    """Return whether a word looks like an expression, and not like a field or the name of a file."""
    if _SIGN_OF_EXPRESSION.search(word) is None:
        return False
    try:
        return bool(field_names(ast.parse(word.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def expression_of(text: str, *, nested: bool) -> Expression:
    """Parse a field name or an expression. Raises UsageError that names the construct that is not allowed."""
    of_time = not nested and text.rpartition(".")[2] in ATTRIBUTES  # such as time.hour
    if is_path(text) and not of_time:
        name = parameter_of(text)
        return Expression(text, ast.Name(name, ast.Load()), {name: text})
    tree, fields = parse_expression(text, "the expression", nested=nested)
    return Expression(text, tree, fields)


def parameter_of(path: str) -> str:
    """Return the parameter for a path into a record: `request_headers_User_Agent_0`."""
    name = re.sub(r"\W", "_", path)
    return f"_{name}" if name[:1].isdigit() else name


def period_expression(by: str, zone: str | None, time: str) -> Expression:
    """Return the expression for the period of the time in this field. Its parameter is called `time`."""
    arguments = [ast.Name("time", ast.Load()), ast.Constant(by), ast.Constant(zone)]
    call = ast.Call(ast.Name(PERIOD_OF, ast.Load()), arguments, keywords=[])
    return Expression(by, call, {"time": time}, is_period=True)


def map_of(keys: Sequence[Expression], value: Any) -> Callable[..., Any]:
    """Return a map function over fields that yields (key, value): a tuple for several keys, None for no key.

    The value is an expression, a tuple of them, {name: one of these}, or None.
    """
    body: list[ast.stmt] = []
    key = _tuple([_assigned(one, body) for one in keys])
    body.append(ast.Expr(ast.Yield(ast.Tuple([key, _value(value, body)], ast.Load()))))
    names = list(dict.fromkeys(name for one in [*keys, *parts_of(value)] for name in one.fields))
    if not names:
        raise UsageError("the question names no field; count by one, such as: mrframe count status access.log")
    arguments = ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, [])
    function = ast.FunctionDef("question", arguments, body, [], lineno=1, col_offset=0)
    module = ast.fix_missing_locations(ast.Module([function], []))
    namespace: dict[str, Any] = {"__builtins__": {}, "__name__": "--measure", **FUNCTIONS}
    namespace |= {fault.__name__: fault for fault in _FAULTS}
    if any(one.is_period for one in keys):
        from mrframe.formats.readers.periods import period_of

        namespace[PERIOD_OF] = period_of
    exec(compile(module, "<question>", "exec"), namespace)  # noqa: S102 -- of a tree made of listed nodes only
    made: Callable[..., Any] = namespace["question"]
    return made


def renamed_fields(parts: Sequence[Expression], more: Mapping[str, str]) -> dict[str, str] | None:
    """Return {parameter: field} for these expressions and `more`, or None if each parameter is named as its field."""
    fields = {name: path for one in parts for name, path in one.fields.items()} | dict(more)
    return fields if any(name != path for name, path in fields.items()) else None


def parts_of(value: Any) -> list[Expression]:
    """Return the expressions in a value, as `map_of` takes it."""
    if value is None:
        return []
    if isinstance(value, Expression):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value
    return [one for part in parts for one in parts_of(part)]


def _value(value: Any, body: list[ast.stmt]) -> ast.expr:
    if value is None:
        return ast.Constant(None)
    if isinstance(value, Expression):
        return _assigned(value, body)
    if isinstance(value, Mapping):
        return ast.Dict([ast.Constant(name) for name in value], [_value(one, body) for one in value.values()])
    return ast.Tuple([_value(one, body) for one in value], ast.Load())


def _assigned(one: Expression, body: list[ast.stmt]) -> ast.expr:
    """Add the statements that compute the expression, and return the name of the result."""
    if one.field is not None:
        return one.tree
    name = f"_result_{len(body)}"
    missing: list[ast.expr] = [
        ast.Compare(ast.Name(field, ast.Load()), [ast.Is()], [ast.Constant(None)]) for field in one.fields
    ]
    none: ast.expr = ast.Constant(None)
    test = missing[0] if len(missing) == 1 else ast.BoolOp(ast.Or(), missing)
    guarded = ast.IfExp(test, none, one.tree) if missing else one.tree
    faults = ast.Tuple([ast.Name(fault.__name__, ast.Load()) for fault in _FAULTS], ast.Load())
    store = ast.Name(name, ast.Store())
    handler = ast.ExceptHandler(faults, None, [ast.Assign([store], none)])
    body.append(ast.Try([ast.Assign([store], guarded)], [handler], [], []))
    return ast.Name(name, ast.Load())


def _tuple(parts: list[ast.expr]) -> ast.expr:
    if not parts:
        return ast.Constant(None)
    return parts[0] if len(parts) == 1 else ast.Tuple(parts, ast.Load())
