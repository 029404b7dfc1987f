"""Cuts the lines of a block into raw values: by the compiled kernel, or by the fast pattern.

Both accept fewer lines than the format, so the strict pattern judges each line that they refuse. `patterns.py`
describes the two patterns and the proof that is made here for each block. Not here: values of Python (`convert.py`),
and the ledger of a block (`access.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.formats.grammar.grammar import Grammar
from mrframe.formats.grammar.kernel_program import program_of
from mrframe.formats.grammar.patterns import Capture, part, patterns_of
from mrframe.formats.readers.base import Lines, Scanned
from mrframe.formats.readers.convert import RawColumn
from mrframe.kernel import compiled


@dataclass(frozen=True, slots=True)
class CutLines:
    """The records of a block as raw columns, one for each capture.

    malformed  (number, bytes) of each line that is not of the format
    missing    for each capture, the number of records whose value lacks this part
    """

    columns: Sequence[RawColumn | Scanned]
    malformed: list[tuple[int, bytes]]
    missing: list[int]


class LineCutter:
    """Cuts lines of one grammar into values of these captures. `captures` are the columns, each once."""

    def __init__(self, grammar: Grammar, wanted: Sequence[Capture], kernel: Any = None) -> None:
        self._patterns = patterns_of(grammar, list(dict.fromkeys(wanted)))
        self.captures = self._patterns.captures
        self._program = program_of(kernel, grammar, self.captures)

    @property
    def uses_kernel(self) -> bool:
        """Return whether the compiled kernel cuts the lines."""
        return self._program is not None

    def is_malformed(self, line: bytes) -> bool:
        """Return whether a line is not of the format."""
        return self._patterns.strict.fullmatch(line) is None

    def cut(self, lines: Lines) -> CutLines:
        """Cut a block."""
        return self._by_pattern(lines) if self._program is None else self._by_kernel(lines)

    def _by_kernel(self, lines: Lines) -> CutLines:
        assert self._program is not None
        block = self._program.scan(lines.body)
        lines.know_count(block.lines)
        missing = [0] * len(self.captures)
        malformed: list[tuple[int, bytes]] = []
        numbers: list[int] = []
        strict: list[list[bytes | None]] = []
        for number, at, length in block.refused:
            line = lines.body[at : at + length]
            values = self._match_strictly(line, missing)
            if values is None:
                malformed.append((number, line))
            else:
                numbers.append(number - len(malformed))
                strict.append(values)
        columns = [Scanned(block, at, [one[at] for one in strict], numbers) for at in range(len(self.captures))]
        return CutLines(columns, malformed, missing)

    def _by_pattern(self, lines: Lines) -> CutLines:
        columns, refused = self._split(lines)
        missing = [0] * len(self.captures)
        malformed: list[tuple[int, bytes]] = []
        if refused.count(None) != lines.count:
            for number, line in enumerate(refused):
                values = None if line is None else self._match_strictly(line, missing)
                if values is not None:
                    for column, value in zip(columns, values, strict=True):
                        column[number] = value
                elif line is not None:
                    malformed.append((number, line))
        if malformed:
            good = [True] * lines.count
            for number, _ in malformed:
                good[number] = False
            columns = [list(compress(column, good)) for column in columns]
        return CutLines([*columns], malformed, missing)

    def _split(self, lines: Lines) -> tuple[list[list[bytes | None]], list[bytes | None]]:
        """Return a column for each capture, and the lines that are left to the strict pattern (None elsewhere)."""
        groups = len(self.captures) + 1
        parts = self._patterns.fast.split(lines.body)
        if len(parts) == lines.count * (groups + 1) + 1:  # as many matches as line ends: the proof
            columns = [parts[at :: groups + 1] for at in range(1, groups + 1)]
            return columns[:-1], columns[-1]
        return [[None] * lines.count for _ in range(groups - 1)], [*lines.split()]

    def _match_strictly(self, line: bytes, missing: list[int]) -> list[bytes | None] | None:
        """Return the values of a line by the strict pattern, and count those that it lacks. None: it is malformed."""
        match = self._patterns.strict.fullmatch(line)
        if match is None:
            return None
        values: list[bytes | None] = []
        for at, (capture, group) in enumerate(zip(self.captures, self._patterns.strict_groups, strict=True)):
            value, lacks = part(capture, match[group])
            values.append(value)
            missing[at] += lacks
        return values


def cutter_for(grammar: Grammar, wanted: Sequence[Capture]) -> LineCutter:
    """Return the cutter of a grammar, by the compiled kernel if there is one. Each is made once in a process."""
    return _cutter(grammar, tuple(wanted), compiled())


@lru_cache(maxsize=64)
def _cutter(grammar: Grammar, wanted: tuple[Capture, ...], kernel: Any) -> LineCutter:
    return LineCutter(grammar, wanted, kernel)
