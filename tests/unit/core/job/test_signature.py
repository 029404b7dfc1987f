"""Which parameters of a function are fields: the quick reading of its code says what its signature says."""

import functools

import pytest

from mrframe.core.job.signature import _signature_fields, parameter_fields
from mrframe.errors import JobError


def positional(path, size): ...


def with_defaults(path, size=1, other=None): ...


def by_position_only(path, size=2, /): ...


def by_name_only(path, *, status, limit=3): ...


def of_all_kinds(a, b=1, /, c=2, *, d, e=4, f): ...


def with_locals(path):
    inner = path
    return lambda: inner


def nothing(): ...


@functools.wraps(positional)
def decorated(*args, **kwargs): ...


class Callable:
    def __call__(self, path): ...

    def method(self, size): ...


FUNCTIONS = [positional, with_defaults, by_position_only, by_name_only, of_all_kinds, with_locals, nothing, decorated]
OTHERS = [Callable(), Callable().method, functools.partial(positional, size=3), lambda host, x=1: host]


@pytest.mark.parametrize("function", FUNCTIONS + OTHERS)
def test_the_quick_reading_is_that_of_the_signature(function):
    assert parameter_fields(function, "map") == _signature_fields(function, "map")


def test_the_fields_are_what_has_no_default():
    assert parameter_fields(of_all_kinds, "map") == ("a", "d", "f")


@pytest.mark.parametrize("function", [lambda *fields: 0, lambda path, **fields: 0])
def test_a_star_is_refused_by_name(function):
    with pytest.raises(JobError, match=r"\*fields"):
        parameter_fields(function, "map")
