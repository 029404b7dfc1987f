"""The type of an option that takes a whole number within bounds: help and refusals name them in words.

Not here: settings of a run, whose kinds are declared with them (`core/settings/setting_kinds.py`).
"""

from __future__ import annotations

from typing import Any

import click


class WholeNumber(click.IntRange):
    """A whole number of at least `low`, and at most `high` if there is one."""

    def __init__(self, low: int, high: int | None = None) -> None:
        super().__init__(low, high)

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        return f"at least {self.min}" if self.max is None else f"{self.min} to {self.max}"

    def _describe_range(self) -> str:
        return self.bounds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number. Fails in the words of a setting."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r}: a whole number, {self.bounds}, is needed", param, ctx)
