"""Tables for notebooks (`_repr_html_`). All text is escaped, since it may come from a log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Protocol, TypeVar

CELL_CHARACTERS_MAX = 200


class HasCells(Protocol):
    """A row of a table."""

    def cells(self) -> Mapping[str, object]:
        """{column: value}, in the order of the columns."""
        ...


R = TypeVar("R", bound=HasCells)


class Listing(list[R]):
    """A list of rows that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        rows = [row.cells() for row in self]
        return html_table(list(rows[0]), [list(row.values()) for row in rows]) if rows else "<p>(none)</p>"


def html_table(head: Sequence[str], rows: Iterable[Sequence[Any]], below: str = "") -> str:
    """An HTML table. `below` is a line of text under it."""
    lines = ["<table>", f"<tr>{''.join(f'<th>{_text(name)}</th>' for name in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows]
    lines.append("</table>")
    if below:
        lines.append(f"<p>{_text(below)}</p>")
    return "\n".join(lines)


def _text(value: object) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    cut = text if len(text) <= CELL_CHARACTERS_MAX else text[: CELL_CHARACTERS_MAX - 1] + "…"
    return escape(cut)
