"""The project's `dataclass` makes what the standard library's does."""

import copy
import dataclasses
import inspect
import pickle
import typing
from dataclasses import FrozenInstanceError, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.core import fast_dataclass
from mrframe.core.model import events
from mrframe.core.model.spec import Split
from mrframe.wire import messages

FLAGS = [
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True},
    {"slots": True},
    {"slots": True, "eq": False},
    {},
]


def both(flags, body):
    """The class of this body made by each of the two."""
    return [maker(**flags)(type("Thing", (), body() | {"__qualname__": "Thing"})) for maker in MAKERS]


MAKERS = [dataclasses.dataclass, fast_dataclass.dataclass]


def plain():
    return {"__annotations__": {"a": "int", "b": "str", "c": "list"}, "b": "x", "c": field(default_factory=list)}


def one():
    return {"__annotations__": {"a": "object"}}


def none():
    return {"__annotations__": {}}


def checked():
    def post(self):
        if self.a == 13:
            raise ValueError(self.a)

    return {"__annotations__": {"a": "int"}, "__post_init__": post, "__repr__": lambda self: f"<{self.a}>"}


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("body", [plain, one, none, checked])
@given(values=st.lists(st.one_of(st.integers(12, 14), st.text(max_size=2), st.just([])), max_size=3))
def test_objects_are_made_shown_and_compared_alike(flags, body, values):
    seen = [behaviour(cls, flags, values) for cls in both(flags, body)]
    assert seen[0] == seen[1]


def behaviour(cls, flags, values):
    names = [f.name for f in dataclasses.fields(cls)]
    given_ = dict(zip(names, values, strict=False)) if len(values) <= len(names) else {"more": 1}
    found = [names, cls.__match_args__, [repr(f.default) for f in dataclasses.fields(cls)], "__dict__" in dir(cls)]
    try:
        made = cls(**given_) if flags.get("kw_only") else cls(*values)
    except (TypeError, ValueError) as error:
        return [*found, type(error)]
    again = dataclasses.replace(made)
    found += [repr(made).rpartition(".")[2], made == again, made != again, dataclasses.asdict(made)]
    found += [made == object(), made in {1: made}.values(), dataclasses.astuple(made)]
    for act in (
        hash,
        lambda it: setattr(it, "a", 5),
        lambda it: delattr(it, "a"),
        lambda it: setattr(it, "q", 5),
    ):
        try:
            result = act(made)
            found.append(result if flags.get("eq", True) else None)  # without eq the hash is that of the object
        except (TypeError, AttributeError):
            found.append("refused")
    return found


@fast_dataclass.dataclass(frozen=True, slots=True)
class Kept:
    """With a field that has a default."""

    a: int
    b: tuple = ()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_frozen_object_with_slots_is_pickled_and_copied(protocol):
    split = Split("file", "access.log", "/logs/access.log", 0, 10, (0, 0), locations=("node-1",))
    assert pickle.loads(pickle.dumps(split, protocol)) == split
    assert copy.copy(split) == copy.deepcopy(split) == split


@fast_dataclass.dataclass(frozen=True, slots=True)
class Grown:
    """With fields that were added later."""

    a: int
    b: int = field(default=7, metadata=fast_dataclass.ADDED)
    c: int = field(default=8, metadata=fast_dataclass.ADDED)


@pytest.mark.parametrize(
    ("state", "whole"), [([1], Grown(1, 7, 8)), ([1, 2], Grown(1, 2, 8)), ([1, 2, 3], Grown(1, 2, 3))]
)
def test_a_pickle_from_before_a_field_was_added_has_its_default(state, whole):
    made = Grown.__new__(Grown)
    made.__setstate__(state)
    assert made == whole


@pytest.mark.parametrize("state", [[], [1, 2, 3, 4]])
def test_a_pickle_of_another_class_is_refused(state):
    with pytest.raises(ValueError, match="zip"):
        Grown.__new__(Grown).__setstate__(state)


def test_a_frozen_instance_refuses_assignment_and_deletion():
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        Kept(1).a = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'a'"):
        del Kept(1).a


def test_a_signature_has_names_and_defaults():
    parameters = inspect.signature(Kept).parameters
    assert list(parameters) == ["a", "b"]
    assert parameters["b"].default == ()
    assert parameters["a"].annotation in ("int", int)


def test_init_is_compiled_when_it_is_first_needed():
    def thing():
        return fast_dataclass.dataclass(type("Thing", (), {"__annotations__": {"a": "int"}, "__qualname__": "Thing"}))

    by_object, by_subclass = thing(), thing()
    assert not inspect.isfunction(vars(by_object)["__init__"])
    assert by_object(1).a == 1
    assert type("Below", (by_subclass,), {})(2).a == 2
    for cls in (by_object, by_subclass):
        assert inspect.isfunction(vars(cls)["__init__"])
        assert cls.__init__.__qualname__ == "Thing.__init__"


def test_a_subclass_has_the_fields_of_its_base_first():
    @fast_dataclass.dataclass(frozen=True, slots=True)
    class Below(Kept):
        """With a field of its own."""

        c: int = 3

    assert (Below(1, c=4), Below.__slots__) == (Below(1, (), 4), ("c",))
    assert [f.name for f in dataclasses.fields(Below)] == ["a", "b", "c"]


def test_a_default_that_can_change_is_refused():
    with pytest.raises(ValueError, match="default_factory"):
        fast_dataclass.dataclass(type("Thing", (), {"__annotations__": {"a": "list"}, "a": []}))


def test_fields_that_are_left_out_are_refused():
    with pytest.raises(TypeError, match="left out"):
        fast_dataclass.dataclass(
            type("Thing", (), {"__annotations__": {"a": "int"}, "a": field(default=1, repr=False)})
        )


def test_match_takes_an_object_apart():
    match Kept(4, (5,)):
        case Kept(a, b=(five,)):
            assert (a, five) == (4, 5)
        case _:
            raise AssertionError


CLASSES = {cls for module in (messages, events) for cls in vars(module).values() if dataclasses.is_dataclass(cls)}


@pytest.mark.parametrize("cls", sorted(CLASSES, key=str))
def test_the_types_of_fields_are_what_typing_says(cls):
    assert fast_dataclass.field_types(cls) == typing.get_type_hints(cls)
