"""A `dataclass` decorator that is cheaper to apply than the standard one. For a type checker it is the standard one.

Why: mrframe has two hundred dataclasses, and every start of the command defines most of them. Up to Python 3.12 the
standard decorator compiles six functions for each, a quarter of the time of a small run. Here only `__init__` is
compiled, when it is first needed, since a run makes objects of few of the classes that it imports. The other methods
are closures over the fields. The class is the same afterwards: `fields`, `replace`, `asdict`, `match`, pickling and
`inspect.signature` work, with slots or without.

Rule: every dataclass of mrframe takes this decorator, except those of `mrframe/testing`, which no command loads
(tests/test_tidy.py).

Removal: Python 3.13 compiles the methods of a class together. Once 3.13 is the oldest version that mrframe supports,
measure `mrframe --help` and a small run with the standard decorator. If they are as fast, delete this file but for
`field_types`.

What it is not: complete. It refuses fields that are left out of `__init__`, of the comparison or of the text. It has
no `order=`, and knows neither `InitVar` nor `KW_ONLY`. A standard dataclass cannot inherit from one of these.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414  (what is imported from here)
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True, kw_only=False):
        """Give the class the methods of a dataclass, as `dataclasses.dataclass` would."""

        def made(cls):
            own = frozenset(vars(cls))
            known = _fields(cls, kw_only=kw_only)
            fields, names = tuple(known.values()), tuple(known)
            if slots:
                cls = _with_slots(cls, names)
            cls.__dataclass_fields__ = known
            _add(cls, own, {"__repr__": _repr(names)})
            cls.__match_args__ = tuple([field.name for field in fields if not field.kw_only])
            if "__init__" not in own:
                cls.__init__ = _Init(cls, fields, frozen=frozen)
            if eq:
                _add(cls, own, _comparison(_values(names), frozen=frozen))
            if frozen:
                _add(cls, own, _FROZEN if not slots else _FROZEN | _pickling(fields))
            return cls

        return made if cls is None else made(cls)


GENERATED = "<mrframe.fast_dataclass>"
"""The file name of generated code, which is not a job's."""
_Methods = dict[str, Any]

ADDED = {"added": True}
"""Metadata of a field that was added later, at the end of its class. Older data without it (a journal, a pickle) is
read with its default."""


def field_types(cls: type) -> dict[str, Any]:
    """Return {name: type} of a dataclass's fields. Like `typing.get_type_hints`, which takes five times as long.

    Each process of a run calls it once for every class of message that it sends or receives.
    """
    known = vars(sys.modules[cls.__module__])
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        hint: Any = field.type
        if isinstance(hint, str):
            hint = _BY_NAME.get(hint) or eval(hint, known)  # noqa: S307  (an annotation of our own source)
        found[field.name] = hint
    return found


_BY_NAME = {hint.__name__: hint for hint in (str, bytes, bool, int, float)}


def _add(cls: type, own: frozenset[str], methods: _Methods) -> None:
    """Give the class these methods, except those that it defines itself."""
    for name, method in methods.items():
        if name not in own:
            if method is not None:
                method.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, method)


def _fields(cls: type, *, kw_only: bool) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a class by name, those that it inherits first. Its attributes are their defaults."""
    found: dict[str, dataclasses.Field[Any]] = {}
    for base in cls.__mro__[-1:0:-1]:
        found |= vars(base).get("__dataclass_fields__", {})
    for name, hint in cls.__annotations__.items():
        if isinstance(hint, str) and hint.startswith("ClassVar"):
            continue
        given = vars(cls).get(name, MISSING)
        field: Any = given if isinstance(given, dataclasses.Field) else dataclasses.field(default=given)
        if not (field.init and field.repr and field.compare):
            raise TypeError(f"{cls.__name__}.{name}: a field that is left out needs `dataclasses.dataclass`")
        if field is given and field.default is MISSING:
            delattr(cls, name)
        elif field is given:
            setattr(cls, name, field.default)
        if field.default is not MISSING and field.default.__class__.__hash__ is None:
            raise ValueError(f"{cls.__name__}.{name}: a default that can change needs a default_factory")
        field.name, field.type, field._field_type = name, hint, _FIELD  # noqa: SLF001  (as the standard one does)
        if field.kw_only is MISSING:
            field.kw_only = kw_only
        found[name] = field
    return found


def _with_slots(cls: type, names: tuple[str, ...]) -> type:
    """Return the class again with slots for its own fields. Slots cannot be added to a class that is there."""
    inherited = {slot for base in cls.__mro__[1:] for slot in vars(base).get("__slots__", ())}
    body = {name: value for name, value in vars(cls).items() if name not in names and name not in _OF_AN_OBJECT}
    body["__slots__"] = tuple([name for name in names if name not in inherited])
    made = type(cls)(cls.__name__, cls.__bases__, body)
    made.__qualname__ = cls.__qualname__
    return made


_OF_AN_OBJECT = ("__dict__", "__weakref__")
_FIELD = dataclasses._FIELD  # type: ignore[attr-defined]  # noqa: SLF001  (by which `fields` knows a field)


class _Init:
    """Stands for the `__init__` of a class, and compiles it when it is first looked up."""

    def __init__(self, cls: type, fields: tuple[dataclasses.Field[Any], ...], *, frozen: bool) -> None:
        self._cls = cls
        self._fields = fields
        self._frozen = frozen

    def __get__(self, instance: Any, owner: type) -> Any:
        init = _init(self._cls, self._fields, frozen=self._frozen)
        _add(self._cls, frozenset(), {"__init__": init})
        return init.__get__(instance, owner)


def _init(cls: type, fields: tuple[dataclasses.Field[Any], ...], *, frozen: bool) -> Callable[..., None]:
    """Compile `__init__`: the one method that is called so often that a closure would cost."""
    names: _Methods = {"_set": object.__setattr__, "_missing": MISSING}
    parameters, body = ["self"], []
    for field in sorted(fields, key=lambda field: bool(field.kw_only)):
        if field.kw_only and "*" not in parameters:
            parameters.append("*")
        name = value = field.name
        default = ""
        if field.default is not MISSING:
            names[f"_default_{name}"] = field.default
            default = f"=_default_{name}"
        elif field.default_factory is not MISSING:
            names[f"_make_{name}"] = field.default_factory
            default, value = "=_missing", f"_make_{name}() if {name} is _missing else {name}"
        parameters.append(name + default)
        slot = getattr(cls, name, None) if frozen else None
        if isinstance(slot, MemberDescriptorType):  # takes half the time of `object.__setattr__`
            names[f"_set_{name}"] = slot.__set__
            body.append(f"_set_{name}(self, {value})")
        else:
            body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    text = f"def __init__({', '.join(parameters)}):\n {'; '.join(body) or 'pass'}"
    exec(compile(text, GENERATED, "exec"), names)  # noqa: S102  (own names)
    init: Callable[..., None] = names["__init__"]
    init.__annotations__ = {field.name: field.type for field in fields} | {"return": None}
    return init


def _values(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that gives the fields of an object as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda one: tuple([getattr(one, name) for name in names])


def _repr(names: tuple[str, ...]) -> Callable[[Any], str]:
    def __repr__(self: Any) -> str:  # noqa: N807
        return f"{type(self).__qualname__}({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"

    return __repr__


def _comparison(values: Callable[[Any], tuple[Any, ...]], *, frozen: bool) -> _Methods:
    def __eq__(self: Any, other: Any) -> Any:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _pickling(fields: tuple[dataclasses.Field[Any], ...]) -> _Methods:
    """Return the methods that pickle needs to restore a frozen object with slots."""

    names = [field.name for field in fields]
    added = [field.default for field in fields if "added" in field.metadata]

    def __getstate__(self: Any) -> list[Any]:  # noqa: N807
        return [getattr(self, name) for name in names]

    def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
        missing = len(names) - len(state)
        state = [*state, *added[-missing:]] if 0 < missing <= len(added) else state
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    return {"__getstate__": __getstate__, "__setstate__": __setstate__}


def _refuse_set(self: Any, name: str, value: Any) -> None:  # noqa: ARG001  (as it is called)
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: Any, name: str) -> None:  # noqa: ARG001
    raise FrozenInstanceError(f"cannot delete field {name!r}")


_FROZEN: _Methods = {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}
