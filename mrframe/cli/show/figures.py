"""The figures of a finished job: a few lines for people, one JSON object for programs.

It formats `api.Summary` and computes nothing of its own but rates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mrframe import api
from mrframe.api.units import bytes_text, counted, seconds_text
from mrframe.cli.show.streams import SCHEMA_VERSION, Line, Painted
from mrframe.cli.show.terminal import sample
from mrframe.core.safe_text import escaped_json

if TYPE_CHECKING:
    from mrframe.api import MalformedSample, Summary

SAMPLES_SHOWN = 3
COUNTERS_SHOWN = 10
REASON_CHARACTERS_MAX = 400
RATE_FROM_S = 0.5  # of a shorter run the rate says more about starting than about reading


def total_seconds(summary: Summary) -> float:
    """The whole time of the job: the stage "total" where it is given, else the sum of the stages."""
    seconds = summary.seconds
    return seconds["total"] if "total" in seconds else sum(seconds.values())


def lines_of(summary: Summary, *, verbose: bool = False) -> list[Line]:
    """The short summary, as lines. With `verbose` also why results are not cached."""
    seconds = total_seconds(summary)
    rate = f" ({bytes_text(summary.bytes_in / seconds)}/s)" if seconds >= RATE_FROM_S else ""
    head: list[str | Painted] = [
        counted(summary.records, "record"),
        Painted(f"{summary.malformed:,} malformed", "yellow" if summary.malformed else ""),
        *([Painted(f"{summary.quarantined:,} left out", "yellow")] if summary.quarantined else []),
        counted(summary.rows, "row"),
        bytes_text(summary.bytes_in) + (f" in {seconds_text(seconds)}{rate}" if summary.seconds else ""),
        _engine(summary),
    ]
    lines: list[Line] = [[part for piece in head for part in (" · ", piece)][1:]]
    lines += [f"  note: {note}" for note in summary.notes]
    if summary.window:
        lines.append("  " + _window(summary))
    for name, of in summary.sources.items():
        size = bytes_text(of["bytes_in"])
        lines.append(f"  {sample(name)}: {counted(of['records'], 'record')} · {of['malformed']:,} malformed · {size}")
    lines += [f"  {text}" for text in _shown(summary.samples, summary.malformed, "--rejects")]
    lines += [f"  {text}" for text in _shown(summary.failed, summary.quarantined, "--quarantine")]
    if summary.bad_fields:
        fields = ", ".join(f"{name} {count:,}" for name, count in sorted(summary.bad_fields.items()))
        lines.append(f"  fields without a usable value: {fields}")
    if summary.ledger.get("nul_bytes"):
        lines.append(f"  {bytes_text(summary.ledger['nul_bytes'])} of NUL bytes before lines were passed over")
    if summary.prints_cut_bytes:
        lines.append(f"  {bytes_text(summary.prints_cut_bytes)} that the job's code printed are not shown")
    if verbose and summary.not_saved and summary.not_saved not in summary.warnings:
        lines.append(f"  not cached: {sample(summary.not_saved, REASON_CHARACTERS_MAX)}")
    counters = sorted(summary.counters.items())
    lines += [f"  counter {sample(name)} {count:,}" for name, count in counters[:COUNTERS_SHOWN]]
    if len(counters) > COUNTERS_SHOWN:
        lines.append(f"  and {len(counters) - COUNTERS_SHOWN:,} counters more (--summary FILE has all)")
    return lines


def _engine(summary: Summary) -> str:
    if summary.engine in ("inline", "saved"):
        return f"inline{_cached(summary)}" if summary.engine == "inline" else "the result was cached"
    maps = summary.data_local + summary.other_map
    local = f", {summary.data_local} of {counted(maps, 'map task')} data-local" if maps else ""
    nodes = f", {counted(summary.nodes, 'node')}" if summary.nodes else ""
    return f"{summary.engine}{nodes}{local}{_cached(summary)}"


def _window(summary: Summary) -> str:
    asked = " ".join(f"{name} {text}" for name, text in summary.window.items() if name != "timezone")
    outside = summary.ledger.get("outside_time", 0)
    without = summary.ledger.get("without_time", 0)
    shown = f"{asked}: {counted(outside, 'record')} outside"
    return shown + (f", {counted(without, 'record')} without a time" if without else "")


def _cached(summary: Summary) -> str:
    return f" · {summary.saved_maps:,} map results from the cache" if summary.saved_maps else ""


def _shown(samples: Sequence[MalformedSample], number: int, flag: str) -> list[str]:
    shown = samples[:SAMPLES_SHOWN]
    lines = [f"{sample(s.source)}:{s.line}: {sample(s.text)}{_reason(s.reason)}" for s in shown]
    if shown and number > len(shown):
        lines.append(f"and {number - len(shown):,} more ({flag} FILE keeps them all)")
    return lines


def _reason(text: str) -> str:
    return f"  ({sample(text, REASON_CHARACTERS_MAX)})" if text else ""


def summary_json(summary: Summary, text: Any) -> str:
    """All figures as one JSON object, with a final newline. `text` as in `formats.output.value_text.Text`."""
    plain = api.plain_as_utf8({"schema_version": SCHEMA_VERSION, **summary.to_plain()}, text)
    return escaped_json(json.dumps(plain, ensure_ascii=True, indent=2)) + "\n"
