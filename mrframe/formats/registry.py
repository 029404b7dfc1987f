"""The registry of readers: the names that jobs use (`logs.combined`, `logs.format("…")`, `text`, `words`,
`json_lines`), and every kind of reader.

A new format of an access log is a row of `named_formats.FORMATS`. A new grammar is a file in `readers/` and an entry
in `BUILT_IN` (docs/plugins.md). Every job file imports this module, so it is light: it compiles nothing, and names
the modules of the kinds as text, to be imported when a kind is first asked for.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from mrframe.core.job.job import JSON_LINES, TEXT, WORDS
from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError, PluginBroken, did_you_mean
from mrframe.formats.application_formats import LAYOUTS, is_layout
from mrframe.formats.named_formats import STRINGS

if TYPE_CHECKING:
    from mrframe.formats.readers.kind import ReaderKind

READERS = "mrframe.readers"
"""The group of entry points by which packages add kinds of readers."""
_SEVERAL = "several"
_REGEX = "regex:"
AUTO = "auto"
"""As `Reader.format`: to be detected from the data."""


class _Namespace(type):
    """Names the formats when an unknown one is asked for."""

    def __getattr__(cls, name: str) -> Reader:
        message = f"{cls.__name__} has no format {name!r}"
        if name.startswith("__"):
            raise AttributeError(message)
        known = [one for one in vars(cls) if not one.startswith("_")]
        raise AttributeError(
            f"{message}{did_you_mean(name, known) or ';'} it has: {', '.join(known)}. "
            "Others are given as the server's own string: logs.format(…)"
        )


class logs(metaclass=_Namespace):  # noqa: N801 (a namespace: jobs say logs.combined)
    """Readers of web servers' access logs."""

    access = Reader("access", AUTO)
    combined = Reader("access", "combined")
    common = Reader("access", "common")
    vhost = Reader("access", "vhost")
    nginx_main = Reader("access", "nginx_main")
    traefik = Reader("access", "traefik")
    ingress_nginx = Reader("access", "ingress_nginx")
    combined_extra = Reader("access", "combined_extra")
    vhost_extra = Reader("access", "vhost_extra")
    common_extra = Reader("access", "common_extra")

    @staticmethod
    def format(string: str) -> Reader:
        r"""A reader for the server's own format string, pasted verbatim.

        `logs.format(r'LogFormat "%h %l %u %t \"%r\" %>s %b %D" timed')`, or an nginx `log_format`. A string that is
        no format is refused when the job is submitted. The layout of a logging framework is one too
        (`logs.format("%d %-5p [%t] %c: %m%n")`).
        """
        return Reader("app" if is_layout(string) else "access", string)

    @staticmethod
    def records(start: str) -> Reader:
        r"""A reader for text whose records may have several lines: `logs.records(r"\d{4}-\d\d-\d\d ")`.

        A record begins at each line whose beginning matches the regular expression. Its text is the field `line`.
        """
        return Reader("records", start)

    @staticmethod
    def regex(expression: str) -> Reader:
        """A reader by a regular expression, which must match the whole line. Its named groups are the fields."""
        return Reader("regex", expression)

    @staticmethod
    def several(*formats: str) -> Reader:
        """A reader for logs whose lines are of several formats, given by name or string.

        `logs.several("combined", "vhost")`. Each line is read by the first of them that fits it.
        """
        return Reader(_SEVERAL, json.dumps(formats))


text = TEXT
words = WORDS
json_lines = JSON_LINES
ltsv = Reader("ltsv")
logfmt = Reader("logfmt")


class BuiltIn(NamedTuple):
    """A built-in kind of reader: where its `ReaderKind` lies, and the names that --log-format has for it.

    own_field  a field that no other kind has, by which `mrframe count` knows it, "" for none
    forms      the names that mean a format of this kind
    """

    target: str
    names: tuple[str, ...] = ()
    own_field: str = ""
    forms: Container[str] = ()


BUILT_IN = {
    "access": BuiltIn("mrframe.formats.readers.access:KIND", ("auto", "access", *STRINGS), "", STRINGS),
    "json": BuiltIn("mrframe.formats.readers.json_lines:KIND", ("json", "jsonl", "json_lines")),
    "ltsv": BuiltIn("mrframe.formats.readers.key_value:LTSV", ("ltsv",)),
    "logfmt": BuiltIn("mrframe.formats.readers.key_value:LOGFMT", ("logfmt",)),
    "app": BuiltIn("mrframe.formats.readers.application:KIND", ("app", *LAYOUTS), "", LAYOUTS),
    "text": BuiltIn("mrframe.formats.readers.text:LINES", ("text",)),
    "words": BuiltIn("mrframe.formats.readers.text:WORDS", ("words",), "word"),
    "records": BuiltIn("mrframe.formats.readers.text:RECORDS"),
    "pairs": BuiltIn("mrframe.formats.readers.pairs:KIND"),
    "regex": BuiltIn("mrframe.formats.readers.regex:KIND"),
    _SEVERAL: BuiltIn("mrframe.formats.readers.several:KIND"),
}
"""Every kind of reader, by `Reader.kind`. A module is imported when its kind is first asked for."""


def kind_of(reader: Reader) -> ReaderKind:
    """Return everything known of a reader's kind: the one place where `Reader.kind` is looked up."""
    return kind_named(reader.kind)


def kind_named(name: str) -> ReaderKind:
    """Return the kind with this name.

    Raises UsageError when it is neither built in nor registered by a package, PluginBroken when it cannot be used.
    """
    if name not in BUILT_IN:
        return _plugin(name)
    kind = _loaded.get(name)
    if kind is None:
        kind = _loaded[name] = _object(BUILT_IN[name].target)
    return kind


def _object(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


_loaded: dict[str, ReaderKind] = {}
_plugins: dict[str, tuple[ReaderKind, str, Any]] = {}  # kind, where it lies, state of its source when imported


def _plugin(name: str) -> ReaderKind:
    """Return a kind that a package adds. A process that outlives an edit of that package imports it again."""
    from mrframe import plugins

    if name in _plugins:
        kind, value, state = _plugins[name]
        if plugins.source_state(value) == state:
            return kind
        del _plugins[name]
        plugins.forget(value)
    found = plugins.load_plugin(READERS, name, BUILT_IN, f"the reader {name!r}")
    if not isinstance(found, _object("mrframe.formats.readers.kind:ReaderKind")) or found.name != name:
        raise plugins.broken(READERS, name, f"{found!r:.80} is not a ReaderKind whose name is {name!r}")
    value = plugins.entry_value(READERS, name)
    added: ReaderKind = found
    _plugins[name] = added, value, plugins.source_state(value)
    return added


def code_of(reader: Reader) -> str:
    """Return a text that identifies the code of a reader that a package adds, "" for a built-in one."""
    if reader.kind in BUILT_IN:
        return ""
    from mrframe import plugins

    return plugins.code_of(READERS, reader.kind, BUILT_IN, f"the reader {reader.kind!r}")


def plugin_kinds() -> tuple[list[ReaderKind], dict[str, str]]:
    """Return the kinds that installed packages add, and {name: why} of those that cannot be used. Takes 10 ms."""
    from mrframe import plugins

    kinds, faults = [], {}
    for name in plugins.plugin_names(READERS):
        if name not in BUILT_IN:
            try:
                kinds.append(kind_named(name))
            except PluginBroken as error:
                faults[name] = str(error)
    return kinds, faults


def kinds_of_lines() -> list[ReaderKind]:
    """Return all built-in kinds that read lines."""
    return [kind_named(name) for name, entry in BUILT_IN.items() if entry.names]


def readers_by_name() -> dict[str, Reader]:
    """Return the reader of each kind by its name, with its format still to be detected where it takes several."""
    return {name: reader_named(name) for name, entry in BUILT_IN.items() if entry.names}


def undetected(reader: Reader) -> Reader:
    """Return the reader of the same kind with its format still to be detected, the same one if it has one form."""
    return Reader(reader.kind, AUTO) if kind_of(reader).takes_formats else reader


def is_undetected(reader: Reader) -> bool:
    """Return whether the format of a reader is still to be detected from the data."""
    return reader.format == AUTO and kind_of(reader).takes_formats


def reader_with(fields: Iterable[str]) -> Reader | None:
    """Return the reader that alone has one of these fields, if there is one."""
    wanted = set(fields)
    return next((Reader(name) for name, entry in BUILT_IN.items() if entry.own_field in wanted), None)


_named: dict[str, str] = {}


def name_formats(formats: Mapping[str, str]) -> None:
    """Give names to format strings for the rest of this process: those of the settings files and of `--config`.

    Readers have the strings in place of the names, so other processes need not know them. A name that mrframe has
    itself then means the string.
    """
    _named.clear()
    _named.update(formats)


def named_formats() -> Mapping[str, str]:
    """Return {name: format string} of the formats that the user has named."""
    return _named


def label_of(form: str) -> str:
    """Return the name that the user has given to a format string, or the text itself."""
    return next((name for name, string in _named.items() if string == form), form)


def resolved(reader: Reader) -> Reader:
    """Return the reader with the string of a format that the user has named in place of its name."""
    return reader_named(_named[reader.format]) if reader.kind == "access" and reader.format in _named else reader


def reader_named(name: str) -> Reader:
    """Return the reader that `--log-format` means: a name of the user's or of mrframe's, or else a format string.

    A list of them, as JSON, means that each line is of one of these.
    """
    if name in _named and _named[name] != name:
        try:
            return reader_named(_named[name])
        except RecursionError:
            raise FormatError(f"the format named {name!r} means itself") from None
    if name.startswith(_REGEX):
        return logs.regex(name.removeprefix(_REGEX))
    if name.startswith('["') and name.endswith('"]'):
        try:
            return logs.several(*(_text_of(reader_named(one)) for one in json.loads(name)))
        except ValueError:
            pass
    for kind, entry in BUILT_IN.items():
        if name in entry.names:
            if name in entry.forms:
                return Reader(kind, name)
            return Reader(kind, AUTO if entry.forms else "")
    if is_added(name):
        return undetected(Reader(name))
    return logs.format(name)


def _text_of(reader: Reader) -> str:
    """Return the text by which `reader_named` gives this reader."""
    return _REGEX + reader.format if reader.kind == "regex" else reader.label


def is_added(name: str) -> bool:
    """Return whether an installed package adds a kind with this name."""
    if name in BUILT_IN or not name.isidentifier():
        return False
    from mrframe import plugins

    return plugins.is_registered(READERS, name, BUILT_IN)


def fault_of(string: str) -> str:
    """Return why a format that the user has named cannot be read, "" if it can."""
    try:
        reader = reader_named(string)
        kind_of(reader).fields(reader.format)
    except FormatError as error:
        return f"cannot be read: {error}"
    return ""


def formats_table() -> list[tuple[str, str, str]]:
    """Return (name, example, description) of each format that has a name, for `mrframe formats list`."""
    added, faults = plugin_kinds()
    table = [(name, "", fault_of(string) or string) for name, string in _named.items()]
    table += [
        (known.name, known.example, known.description)
        for kind in (*kinds_of_lines(), *added)
        for known in kind.formats
    ]
    return [*table, *((name, "", fault) for name, fault in faults.items())]
