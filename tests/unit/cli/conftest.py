"""A `mrframe.api` that runs nothing: it remembers how it was called and gives rows that a test has chosen."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from mrframe.api.result import Result
from mrframe.errors import JobError


def make_summary(**changes: Any) -> SimpleNamespace:
    figures: dict[str, Any] = {
        "job": "fake",
        "engine": "inline",
        "nodes": 0,
        "hash_seed": 0,
        "records": 10_000,
        "malformed": 0,
        "quarantined": 0,
        "prints_cut_bytes": 0,
        "saved_maps": 0,
        "kept": "run-1",
        "window": {},
        "not_kept": "",
        "not_saved": "",
        "warnings": [],
        "bytes_in": 2_400_000,
        "lines": 10_000,
        "tasks": 1,
        "data_local": 0,
        "other_map": 1,
        "rows": 2,
        "seconds": {"map": 0.2, "reduce": 0.1},
        "bad_fields": {},
        "counters": {},
        "samples": [],
        "failed": [],
        "sources": {},
        "notes": [],
        "formats": {},
        "format_records": {},
        "log_format": "combined",
        "ledger": {},
        **changes,
    }
    return SimpleNamespace(
        **figures, to_plain=lambda: {k: v for k, v in figures.items() if k not in ("samples", "failed")}
    )


@dataclass
class FakeResult:
    given: list[tuple[Any, Any]]
    summary: Any
    closed: bool = False
    columns: tuple[str, ...] = ()

    def write(self, stream, form, *, terminal=None, text=None):
        from mrframe.formats.output.writing import write_rows

        write_rows(self.rows(), stream, form, terminal=terminal, text=text)

    save = Result.save

    def rows(self):
        return iter(self.given)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


@dataclass
class FoundFake:
    """Stands in for `api.FoundJob`."""

    text: str
    function: Any

    def parameters(self):
        return list(inspect.signature(self.function).parameters.values())

    def description(self):
        return inspect.getdoc(self.function) or ""


@dataclass
class FakeApi:
    """Stands in for `mrframe.api`. `jobs` maps a JOB's name to the function whose signature is its options."""

    rows: list[tuple[Any, Any]] = field(default_factory=lambda: [("/a", 2), ("/b", 1)])
    jobs: dict[str, Any] = field(default_factory=lambda: {"plain": lambda: None})
    calls: list[SimpleNamespace] = field(default_factory=list)
    summary: Any = field(default_factory=make_summary)
    raises: BaseException | None = None

    def run(self, job, inputs, options, *, job_options=None, rejects=None, quarantine=None, **how):
        self.calls.append(
            SimpleNamespace(
                job=getattr(job, "text", job),
                inputs=tuple(inputs),
                options=options,
                job_options=job_options,
                rejects=rejects,
                quarantine=quarantine,
                how=how,
            )
        )
        if self.raises is not None:
            raise self.raises
        return FakeResult(self.rows, self.summary)

    def find_job(self, text):
        if text not in self.jobs:
            raise JobError(f"{text!r} is no job")
        return FoundFake(text, self.jobs[text])

    @property
    def call(self) -> SimpleNamespace:
        assert len(self.calls) == 1
        return self.calls[0]


@pytest.fixture
def fake_api(monkeypatch, tmp_path):
    """The fake in place of the real one, in an empty folder, without settings from outside."""
    from mrframe import api

    fake = FakeApi()
    for name in ("run", "find_job"):
        monkeypatch.setattr(api, name, getattr(fake, name), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return fake


@pytest.fixture
def mrframe():
    """Run the command in this process: `mrframe("run", "plain", "x.log")` gives click's result."""
    from mrframe.cli.main import group

    def invoke(*args: str, **more: Any):
        return CliRunner().invoke(group, list(args), prog_name="mrframe", **more)

    return invoke
