"""The kind of reader of following steps: their records are the pairs of the step before, which `task/` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from mrframe.errors import FormatError
from mrframe.formats.readers.kind import Field, ReaderKind


class Pairs(ReaderKind):
    """The pairs of the step before. They are no lines, so there is no reader of blocks."""

    name = "pairs"

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> NoReturn:  # noqa: ARG002
        """Refuse to read lines."""
        raise FormatError("the reader 'pairs' cannot read lines: it stands for the output of the step before")

    def fields(self, form: str) -> Mapping[str, Field]:  # noqa: ARG002
        """Return key and value."""
        return {"key": Field("the key of a pair of the step before", "any"), "value": Field("its value", "any")}


KIND = Pairs()
