"""The forms that an answer can be written in, by name: the one table that flags, endings, help and writers come from.

A new form is a row here and a writer (`writers.py`), or an `OutputFormat` that a package registers as an entry point
in the group `mrframe.outputs`. A writer is imported when something is written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from mrframe import plugins
from mrframe.core.fast_dataclass import dataclass
from mrframe.errors import PluginBroken
from mrframe.formats.output.block_writer import MakeWriter

OUTPUTS = "mrframe.outputs"
"""The group of entry points by which a package adds output formats."""


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """A form of an answer.

    name         as in `--format NAME`
    help         one line, for people
    endings      of files in this form, such as ".csv", the first of which is that of parts in a folder
    writer       imports and returns the function or class that makes a writer
    keeps_bytes  bytes of a log that are not UTF-8 leave as they came, unless `--text` says otherwise
    """

    name: str
    help: str
    endings: tuple[str, ...]
    writer: Callable[[], MakeWriter]
    keeps_bytes: bool = False

    @property
    def part_ending(self) -> str:
        """The ending of a part in a folder, without its dot."""
        return self.endings[0].removeprefix(".") if self.endings else self.name


def _of_writers(name: str) -> Callable[[], MakeWriter]:
    def load() -> MakeWriter:
        from mrframe.formats.output import writers

        made: MakeWriter = getattr(writers, name)
        return made

    return load


def _table_writer() -> MakeWriter:
    from mrframe.formats.output.table_writer import TableWriter

    return TableWriter


def _of_arrow(name: str) -> Callable[[], MakeWriter]:
    def load() -> MakeWriter:
        from mrframe.formats.output import arrow_writer

        arrow_writer.need_pyarrow(f"the form {'parquet' if name == 'ParquetWriter' else 'arrow'}")
        made: MakeWriter = getattr(arrow_writer, name)
        return made

    return load


_BUILT_IN = {
    form.name: form
    for form in (
        OutputFormat("table", "aligned columns, for people", (), _table_writer),
        OutputFormat("jsonl", "a JSON object a line", (".jsonl", ".ndjson"), _of_writers("JsonLinesWriter")),
        OutputFormat("csv", "columns with a header, quoted where needed", (".csv",), _of_writers("CsvWriter")),
        OutputFormat("csv-safe", "csv without formulas of spreadsheets", (".csv",), _of_writers("CsvSafeWriter")),
        OutputFormat("tsv", "columns with a header, with tabs, never quoted", (".tsv",), _of_writers("TsvWriter")),
        OutputFormat(
            "text", "the bare items, with tabs", (".txt", ".log"), _of_writers("TextWriter"), keeps_bytes=True
        ),
        OutputFormat("markdown", "a table of Markdown", (".md", ".markdown"), _of_writers("MarkdownWriter")),
        OutputFormat("parquet", "Parquet, with mrframe[fast]", (".parquet",), _of_arrow("ParquetWriter")),
        OutputFormat(
            "arrow", "an Arrow file, with mrframe[fast]", (".arrow", ".feather"), _of_arrow("ArrowFileWriter")
        ),
    )
}
FORMATS = tuple(_BUILT_IN)
"""The names of the forms that are built in."""


def output_format(name: str) -> OutputFormat:
    """The form of this name. UsageError when there is none, PluginBroken for one that cannot be used."""
    return _BUILT_IN.get(name) or _plugin(name)


def known_endings() -> list[str]:
    """The endings of files for which a form is built in."""
    return list(dict.fromkeys(ending for form in _BUILT_IN.values() for ending in form.endings))


def format_of_ending(ending: str) -> str | None:
    """The name of the form of files with this ending, None when no form has it."""
    for form in _BUILT_IN.values():
        if ending in form.endings:
            return form.name
    for name in plugins.plugin_names(OUTPUTS):
        with suppress(PluginBroken):  # which may have nothing to do with this ending
            if ending in _plugin(name).endings:
                return name
    return None


def _plugin(name: str) -> OutputFormat:
    form = plugins.load_plugin(OUTPUTS, name, FORMATS, f"format={name!r}")
    if not isinstance(form, OutputFormat):
        raise plugins.broken(OUTPUTS, name, f"it is of the type {type(form).__name__} and not an OutputFormat")
    return form
