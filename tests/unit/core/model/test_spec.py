"""What follows from the kind of a split is said in one table of properties."""

from __future__ import annotations

import typing

import pytest

from mrframe.core.model.spec import Split, SplitKind

PROPERTIES = (
    *("is_file", "is_compressed", "is_decoded", "is_pairs", "is_saved", "is_stored"),
    *("is_local_file", "needs_fetch", "is_planned_range", "has_predictable_work"),
)
TRUE_OF = {
    "file": {"is_file", "is_local_file", "is_planned_range", "has_predictable_work"},
    "gzip": {"is_compressed", "is_local_file"},
    "held": {"is_decoded", "needs_fetch", "has_predictable_work"},
    "pairs": {"is_pairs"},
    "saved": {"is_saved"},
    "stored": {"is_stored", "needs_fetch", "is_planned_range", "has_predictable_work"},
}


@pytest.mark.parametrize("kind", typing.get_args(SplitKind))
def test_each_kind_has_these_properties(kind):
    split = Split(kind, "log", "/log", 0, 10, (0, 0))
    assert {name for name in PROPERTIES if getattr(split, name)} == TRUE_OF[kind]
