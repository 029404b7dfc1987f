"""The figures of a finished run, from the reports of its committed attempts. The ledger is balanced here.

Law 7: every input byte is in one class, and the sum is checked at the end of every job. Line numbers of
malformed lines become those of the source here, by prefix sums over its splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any, Literal

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.reader import Reader
from mrframe.core.model.reports import Ledger
from mrframe.core.model.spec import Split
from mrframe.engines.protocol import CommittedAttempt, Outcome, Plan
from mrframe.errors import LedgerUnbalanced
from mrframe.formats.registry import label_of

SAMPLES_SHOWN_MAX = 10


@dataclass(frozen=True, slots=True)
class MalformedSample:
    """A line that did not match, or a record on which the job's code failed, with why.

    `line` counts from 1 and `offset` in bytes, both in `source`.
    """

    source: str
    line: int
    offset: int
    text: str
    reason: str


@dataclass(slots=True)
class Summary:
    """The figures of a run.

        >>> summary = mrframe.run("status_codes", ["sample_logs/access.log"]).summary
        >>> summary.records, summary.malformed, summary.samples[0].line
        (606, 3, 11)

    seconds           by stage
    ledger            {class: bytes}, the class that every input byte went to
    prints_cut_bytes  printed by the job's code, and not shown
    saved_maps        map tasks that were not carried out because their results were saved
    not_saved         why no results are saved, "" when they are
    warnings          of faults that do not concern the result, such as those of the folder of saved results
    window            the window of time that was asked for, as instants
    kept              the id under which the run is kept, or "" and the reason in `not_kept`
    samples, failed   of malformed lines, and of records that were left out because the job's code failed
    sources           for a join: {source: {"records", "lines", "malformed", "bytes_in"}}
    notes             about the inputs: files that were given twice, or left out
    formats           {format: the names of its inputs}, if the inputs of a source are of several, else empty
    format_records    {format: the number of its records}, if there are several, else empty
    """

    job: str
    engine: str
    nodes: int
    log_format: str
    steps: int
    partitions: int
    hash_seed: int
    records: int
    lines: int
    malformed: int
    quarantined: int
    bytes_in: int
    tasks: int
    data_local: int
    other_map: int
    shuffled_bytes: int
    spills: int
    rows: int
    memory_peak_bytes: int
    prints_cut_bytes: int = 0
    saved_maps: int = 0
    not_saved: str = ""
    warnings: list[str] = field(default_factory=list)
    window: dict[str, str] = field(default_factory=dict)
    kept: str = ""
    not_kept: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    bad_fields: dict[str, int] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    samples: list[MalformedSample] = field(default_factory=list)
    failed: list[MalformedSample] = field(default_factory=list)
    ledger: dict[str, int] = field(default_factory=dict)
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    formats: dict[str, list[str]] = field(default_factory=dict)
    format_records: dict[str, int] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        counts = f"{self.records:,} records, {self.malformed:,} malformed, {self.rows:,} rows"
        return f"<Summary of {self.job!r}: {counts}>"


def summarise(plan: Plan, outcome: Outcome, engine: str) -> Summary:
    """The figures. LedgerUnbalanced when bytes are missing or counted twice."""
    maps = input_maps(outcome.done)
    ledger = Ledger()
    for done in maps:
        ledger.add(done.report.ledger)
    _balance(ledger, maps, plan)
    last = len(plan.steps) - 1
    return Summary(
        job=plan.job.name or "job",
        engine=engine,
        nodes=outcome.nodes,
        log_format=format_of(plan.settings.reader, (done.split for done in maps)),
        steps=len(plan.steps),
        partitions=plan.steps[0].partitions,
        hash_seed=plan.settings.hash_seed,
        records=ledger.records,
        lines=ledger.lines,
        malformed=ledger.malformed,
        quarantined=ledger.quarantined,
        bytes_in=ledger.bytes_in,
        tasks=len(outcome.done),
        data_local=outcome.data_local,
        other_map=outcome.other_map,
        shuffled_bytes=outcome.shuffled_bytes,
        spills=sum(done.report.spills for done in outcome.done),
        rows=sum(done.report.records_out for done in outcome.done if done.step == last and done.split is None),
        memory_peak_bytes=max((done.report.memory_peak_bytes for done in outcome.done), default=0),
        prints_cut_bytes=sum(done.report.prints_cut_bytes for done in outcome.done),
        window=_window(plan),
        saved_maps=sum(done.report.saved for done in maps),
        not_saved=next((done.report.effect for done in outcome.done if done.report.effect), ""),
        seconds={stage: round(value, 4) for stage, value in outcome.seconds.items()},
        bad_fields=_added(done.report.bad_fields for done in maps),
        counters=_added(done.report.counters for done in outcome.done),
        samples=samples_of(maps, "samples"),
        failed=samples_of(maps, "failed"),
        ledger={name: value for name, value in asdict(ledger).items() if value},
        sources=_by_source(plan, maps),
        notes=list(plan.notes),
        formats=_formats(plan, maps),
        format_records=_format_records(plan, maps),
    )


def _window(plan: Plan) -> dict[str, str]:
    """The window of time that was asked for, as it was understood."""
    asked = zip(("since", "until", "timezone"), plan.settings.window or (), strict=False)
    return {name: text for name, text in asked if text}


def format_of(reader: Reader | Mapping[str, Reader], splits: Iterable[Split | None]) -> str:
    """The formats of the inputs, for people: names of formats or readers, for a join those of each source.

    reader  of the run (`TaskSettings.reader`), `splits` of its inputs
    """
    labels = {name: {label_of(one.label): None} for name, one in _by_name(reader).items()}
    for split in splits:
        if split is not None and split.reader is not None:
            labels[split.input_name][label_of(split.reader.label)] = None
    return ", ".join(f"{name}: {' and '.join(some)}" if name else " and ".join(some) for name, some in labels.items())


def _by_name(reader: Reader | Mapping[str, Reader]) -> Mapping[str, Reader]:
    return {"": reader} if isinstance(reader, Reader) else reader


def _formats(plan: Plan, maps: Iterable[CommittedAttempt]) -> dict[str, list[str]]:
    """See `Summary.formats`."""
    splits = [done.split for done in maps if done.split is not None]
    if not any(split.reader for split in splits):
        return {}
    own = _by_name(plan.settings.reader)
    formats: dict[str, dict[str, None]] = {}
    for split in splits:
        reader = split.reader or own[split.input_name]
        formats.setdefault(reader.label, {})[split.source] = None
    return {label_of(form): list(names) for form, names in formats.items()}


def _format_records(plan: Plan, maps: Sequence[CommittedAttempt]) -> dict[str, int]:
    """See `Summary.format_records`."""
    if not any(done.report.formats or (done.split is not None and done.split.reader) for done in maps):
        return {}
    own = _by_name(plan.settings.reader)
    records: Counter[str] = Counter()
    for done in maps:
        if done.split is not None and done.report.ledger.records:
            label = (done.split.reader or own[done.split.input_name]).label
            records.update(done.report.formats or {label: done.report.ledger.records})
    return {label_of(form): count for form, count in records.most_common()}


def _by_source(plan: Plan, maps: Iterable[CommittedAttempt]) -> dict[str, dict[str, int]]:
    if not plan.job.is_join:
        return {}
    ledgers = {name: Ledger() for name in plan.job.source_names}
    for done in maps:
        if done.split is not None:
            ledgers[done.split.input_name].add(done.report.ledger)
    shown = ("records", "lines", "malformed", "bytes_in")
    return {name: {figure: getattr(ledger, figure) for figure in shown} for name, ledger in ledgers.items()}


def input_maps(done: Iterable[CommittedAttempt]) -> list[CommittedAttempt]:
    """The map attempts that read the inputs, in input order."""
    maps = [d for d in done if d.step == 0 and d.split is not None and not d.split.is_compressed]
    return sorted(maps, key=lambda d: d.split.order if d.split else (0, 0))


def first_lines(maps: Iterable[CommittedAttempt]) -> list[tuple[Split, int]]:
    """(split, lines of its source before it) for each, in input order."""
    lines: dict[int, int] = {}
    found = []
    for done in maps:
        assert done.split is not None
        source = done.split.order[0]
        found.append((done.split, lines.get(source, 0)))
        lines[source] = lines.get(source, 0) + done.report.ledger.lines
    return found


def _balance(ledger: Ledger, maps: list[CommittedAttempt], plan: Plan) -> None:
    expected = sum(done.split.length for done in maps if done.split)
    planned = sum(split.length for split in plan.splits if split.is_planned_range)
    read = sum(d.split.length for d in maps if d.split and d.split.is_planned_range and d.split.source != "-")
    missing = ledger.missing_bytes() or expected - ledger.bytes_in or planned - read
    if missing:
        raise LedgerUnbalanced(
            f"{missing:,} bytes of {expected:,} are in no class of the ledger ({ledger}); the result would not be "
            "exact, so there is none; please report this as a bug of mrframe"
        )


def samples_of(maps: list[CommittedAttempt], kind: Literal["samples", "failed"]) -> list[MalformedSample]:
    """The first malformed lines of maps in input order, or the first records on which the job's code failed."""
    samples: list[MalformedSample] = []
    for done, (split, before) in zip(maps, first_lines(maps), strict=True):
        for one in getattr(done.report, kind):
            if len(samples) == SAMPLES_SHOWN_MAX:
                return samples
            text = one.data.decode("utf-8", "surrogateescape")
            samples.append(MalformedSample(split.source, before + one.line + 1, one.offset, text, one.reason))
    return samples


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for some in counts:
        for name, number in some.items():
            total[name] = total.get(name, 0) + number
    return dict(sorted(total.items()))
