"""A choice among built-in names that installed packages may extend: output formats, kinds of readers.

Help and completion list only the built-in names. Entry points are searched only for other names, since the search is
slow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:
    _Choice = click.Choice  # older clicks cannot be subscripted


class OpenChoice(_Choice):
    """One of `built_in`, or another name for which `is_added` is true."""

    def __init__(self, built_in: Sequence[str], is_added: Callable[[str], bool]) -> None:
        super().__init__(built_in)
        self._is_added = is_added

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name. Raises UsageError for an unknown one."""
        if value not in self.choices and self._is_added(value):
            return value
        return super().convert(value, param, ctx)
