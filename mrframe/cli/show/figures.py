"""The figures of a finished job: a few lines for people, one JSON object for programs.

It formats `api.Summary` and computes nothing of its own but rates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mrframe import api
from mrframe.api.units import bytes_text, counted, seconds_text
from mrframe.cli.show.streams import SCHEMA_VERSION, Line, Painted
from mrframe.cli.show.terminal import sample, wrapped
from mrframe.core.display_width import cut_end, display_width
from mrframe.core.safe_text import escaped_json

if TYPE_CHECKING:
    from mrframe.api import MalformedSample, RunOptions, Summary
    from mrframe.core.display_width import Terminal

_DIGITS = re.compile(r"\d+")

SAMPLES_SHOWN = 3
COUNTERS_SHOWN = 10
NAMES_SHOWN = 3  # of inputs of a format
REASON_CHARACTERS_MAX = 400
FEW_MALFORMED = 0.01  # of all lines: the share up to which malformed lines are only counted
SAMPLE_CELLS_MIN = 12
RATE_FROM_S = 0.5  # of a shorter run the rate says more about starting than about reading


def total_seconds(summary: Summary) -> float:
    """The whole time of the job: the stage "total" where it is given, else the sum of the stages."""
    seconds = summary.seconds
    return seconds["total"] if "total" in seconds else sum(seconds.values())


def lines_of(
    summary: Summary,
    *,
    verbose: bool = False,
    terminal: Terminal | None = None,
    options: RunOptions | None = None,
) -> list[Line]:
    """The short summary, as lines that fit the terminal.

    `verbose`: also samples of few malformed lines, where map tasks ran, and why results are not cached. `options`:
    those of the run, where they are known.
    """
    width = terminal.width if terminal else None
    lines = wrapped(_head(summary, verbose=verbose), width)
    lines += [f"  note: {note}" for note in summary.notes]
    if verbose:
        lines += _formats(summary)
    if summary.window:
        lines += wrapped(_window(summary, options), width, "    ")
    for name, of in summary.sources.items():
        size = bytes_text(of["bytes_in"])
        pieces = [f"  {sample(name)}: {counted(of['records'], 'record')}", f"{of['malformed']:,} malformed", size]
        lines += wrapped(pieces, width, "    ")
    if verbose or not _few_malformed(summary):
        lines += _samples(summary.samples, summary.malformed, "--rejects", terminal)
    lines += _samples(summary.failed, summary.quarantined, "--quarantine", terminal)
    return lines + _rest(summary, verbose=verbose)


def _head(summary: Summary, *, verbose: bool) -> list[str | Painted]:
    seconds = total_seconds(summary)
    rate = f" ({bytes_text(summary.bytes_in / seconds)}/s)" if seconds >= RATE_FROM_S else ""
    hint = " (see -v)" if _few_malformed(summary) and not verbose else ""
    head: list[str | Painted] = [
        counted(summary.records, "record"),
        Painted(f"{summary.malformed:,} malformed{hint}", "yellow" if summary.malformed else ""),
        *([Painted(f"{summary.quarantined:,} left out", "yellow")] if summary.quarantined else []),
        counted(summary.rows, "row"),
        bytes_text(summary.bytes_in) + (f" in {seconds_text(seconds)}{rate}" if summary.seconds else ""),
        _engine(summary, verbose=verbose),
    ]
    return head + ([f"{summary.saved_maps:,} map results from the cache"] if summary.saved_maps else [])


def _formats(summary: Summary) -> list[Line]:
    """The format of all inputs, or the first inputs of each."""
    if not summary.formats:
        return [f"  format: {sample(summary.log_format)}"]
    return [f"  format of {_some(names)}: {sample(label)}" for label, names in summary.formats.items()]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(sample, names[:NAMES_SHOWN])) + more


def _few_malformed(summary: Summary) -> bool:
    """Return whether there are malformed lines, but so few that nobody needs to see them at once."""
    return bool(summary.samples) and summary.malformed <= FEW_MALFORMED * summary.lines


def _rest(summary: Summary, *, verbose: bool) -> list[Line]:
    lines: list[Line] = []
    if len(summary.format_records) > 1:
        formats = ", ".join(f"{sample(name)} {count:,}" for name, count in summary.format_records.items())
        lines.append(f"  records of each format: {formats}")
    if summary.bad_fields:
        fields = ", ".join(f"{name} {count:,}" for name, count in sorted(summary.bad_fields.items()))
        lines.append(f"  fields without a usable value: {fields}")
    if summary.ledger.get("nul_bytes"):
        lines.append(f"  {bytes_text(summary.ledger['nul_bytes'])} of NUL bytes before lines were passed over")
    if summary.prints_cut_bytes:
        lines.append(f"  {bytes_text(summary.prints_cut_bytes)} that the job's code printed are not shown")
    if verbose and summary.engine != "saved" and (reader := api.reader_text(summary.log_format)):
        lines.append(f"  lines read by {reader}")
    if verbose and summary.not_saved and summary.not_saved not in summary.warnings:
        lines.append(f"  not cached: {sample(summary.not_saved, REASON_CHARACTERS_MAX)}")
    counters = sorted(summary.counters.items())
    lines += [f"  counter {sample(name)} {count:,}" for name, count in counters[:COUNTERS_SHOWN]]
    if len(counters) > COUNTERS_SHOWN:
        lines.append(f"  and {len(counters) - COUNTERS_SHOWN:,} counters more (--summary FILE has all)")
    return lines


def _engine(summary: Summary, *, verbose: bool) -> str:
    if summary.engine in ("inline", "saved"):
        return "inline" if summary.engine == "inline" else "the result was cached"
    maps = summary.data_local + summary.other_map
    is_news = maps and (verbose or summary.other_map)  # on one machine all are local, as a rule
    local = f", {summary.data_local} of {counted(maps, 'map task')} data-local" if is_news else ""
    nodes = f", {counted(summary.nodes, 'node')}" if summary.nodes else ""
    return f"{summary.engine}{nodes}{local}"


def _window(summary: Summary, options: RunOptions | None) -> list[str | Painted]:
    asked = [f"{name} {text}{_given(name, options)}" for name, text in summary.window.items() if name != "timezone"]
    asked.append(f"{counted(summary.ledger.get('outside_time', 0), 'record')} outside")
    without = summary.ledger.get("without_time", 0)
    asked += [f"{counted(without, 'record')} without a time"] if without else []
    return ["  " + asked[0], *asked[1:]]


def _given(name: str, options: RunOptions | None) -> str:
    """Where an end of the window comes from, unless it is what was typed: ` (--since 1d)`."""
    value = getattr(options, name, None)
    if options is None or value is None:
        return ""
    where = options.origin_of(name)
    if where.startswith("--"):
        return "" if value[:4].isdecimal() else f" ({where} {value})"
    return f" ({value}, {where})"


def _samples(samples: Sequence[MalformedSample], number: int, flag: str, terminal: Terminal | None) -> list[Line]:
    """One line for each file and kind of reason, at most three, in the width of the terminal."""
    kinds = {(one.source, _DIGITS.sub("", one.reason)): one for one in reversed(samples)}
    shown = sorted(kinds.values(), key=samples.index)[:SAMPLES_SHOWN]
    lines: list[Line] = [_sample(one, terminal) for one in shown]
    if shown and number > len(shown):
        lines.append(f"  and {number - len(shown):,} more (see {flag})")
    return lines


def _sample(one: MalformedSample, terminal: Terminal | None) -> str:
    """The place, the text and the reason. If they do not fit, the text is cut first."""
    where = f"  {sample(one.source)}:{one.line}: "
    reason = f"  ({sample(one.reason, REASON_CHARACTERS_MAX)})" if one.reason else ""
    if terminal is None:
        return where + sample(one.text) + reason
    room = terminal.width - display_width(where) - display_width(reason)
    text = cut_end(sample(one.text), max(SAMPLE_CELLS_MIN, room), terminal.mark)
    return cut_end(where + text + reason, terminal.width, terminal.mark)


def summary_json(summary: Summary, text: Any) -> str:
    """All figures as one JSON object, with a final newline. `text` as in `formats.output.value_text.Text`."""
    plain = api.plain_as_utf8({"schema_version": SCHEMA_VERSION, **summary.to_plain()}, text)
    return escaped_json(json.dumps(plain, ensure_ascii=True, indent=2)) + "\n"
