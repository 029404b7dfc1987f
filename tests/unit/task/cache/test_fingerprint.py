"""Each part of a job's fingerprint makes it another one when it changes; each has a case that fails without it."""

from __future__ import annotations

import dataclasses
import decimal
import os
import sys
import zoneinfo
from importlib import metadata
from pathlib import Path

import pytest

import mrframe
from mrframe import Job, Reader, RunOptions, count, text, total
from mrframe.core.model.spec import Split
from mrframe.paths import PACKAGE_DIR
from mrframe.task import attempt
from mrframe.task.cache import fingerprint
from mrframe.task.cache.map_results import identity
from mrframe.task.code.job_file import find
from mrframe.task.code.settings import TaskSettings
from mrframe.task.isolation import effects, surroundings

JOB = """
from mrframe import Job, text, total
{imports}
def by_line(line):
    yield line, 1
def job(weight: int = 1):
    return Job(read=text, map=by_line, reduce=total, pure=True)
"""


@pytest.fixture
def fresh(tmp_path):
    """The fingerprint of a job file, as it is now."""
    path = tmp_path / "job.py"
    path.write_text(JOB.format(imports=""))

    def of(imports: str | None = None, settings: TaskSettings = TaskSettings(text), **options) -> str:
        if imports is not None:
            path.write_text(JOB.format(imports=imports))
        fingerprint.own_code.cache_clear()
        effects.forget()
        file = find(str(path))
        return fingerprint.fingerprint(file.make(options), settings, file, options)

    yield of
    fingerprint.own_code.cache_clear()


def test_an_unchanged_job_has_the_same_fingerprint(fresh):
    assert fresh() == fresh() == fresh("")


def test_the_version_of_an_imported_package_changes_the_fingerprint(fresh, monkeypatch):
    before = fresh("import msgpack")
    monkeypatch.setattr(metadata, "version", lambda name: "99.0")
    assert fresh("import msgpack") != before


def test_the_version_of_a_package_that_only_a_local_module_imports_changes_it(fresh, tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("def load():\n    import msgpack\n")
    before = fresh("import beside")
    monkeypatch.setattr(metadata, "version", lambda name: "99.0")
    assert fresh("import beside") != before


def test_the_version_of_python_changes_the_fingerprint(fresh, monkeypatch):
    before = fresh()
    monkeypatch.setattr(sys, "version", sys.version.replace(".", ".9", 1))
    assert fresh() != before


def test_the_implementation_of_python_changes_the_fingerprint(fresh, monkeypatch):
    before = fresh()
    monkeypatch.setattr(sys.implementation, "name", "another")
    assert fresh() != before


def test_the_code_of_mrframe_changes_the_fingerprint(fresh, monkeypatch):
    before = fresh()
    monkeypatch.setattr(fingerprint, "own_code", lambda: "another")
    monkeypatch.setattr(fingerprint.own_code, "cache_clear", lambda: None, raising=False)
    assert fresh() != before


def test_an_edited_file_in_any_folder_changes_the_fingerprint(tmp_path):
    nested = tmp_path / "mrframe" / "task" / "deeper" / "still"
    nested.mkdir(parents=True)
    (nested / "one.py").write_text("x = 1\n")
    (tmp_path / "mrframe" / "top.py").write_text("y = 1\n")
    found = set()

    def now() -> str:
        fingerprint.own_code.cache_clear()
        return fingerprint.own_code(str(tmp_path / "mrframe"))

    found.add(now())
    assert now() in found
    (nested / "kernel.abi3.so").write_bytes(b"compiled")
    assert now() not in found
    found.add(now())
    (nested / "kernel.abi3.so").write_bytes(b"compiled again")
    assert now() not in found
    found.add(now())
    (nested / "one.py").write_text("x = 12\n")
    found.add(now())
    os.utime(nested / "one.py", ns=(1, 1))
    found.add(now())
    (nested / "two.py").write_text("")
    found.add(now())
    (nested / "two.py").rename(nested.parent / "two.py")
    found.add(now())
    (nested / "notes.txt").write_text("of no account")
    assert now() in found
    assert len(found) == 7
    fingerprint.own_code.cache_clear()


def test_a_change_of_any_module_of_any_room_is_other_code(monkeypatch):
    real = os.stat
    edited = ""

    def stat(path, *args, **more):
        state = real(path, *args, **more)
        return os.stat_result([*state[:6], state.st_size + 1, *state[7:]]) if path == edited else state

    def now() -> str:
        fingerprint.own_code.cache_clear()
        return fingerprint.own_code()

    before = now()
    monkeypatch.setattr(os, "stat", stat)
    modules = [str(path) for path in Path(PACKAGE_DIR).rglob("*.py")]
    assert len(modules) > 200
    found = set()
    for edited in modules:
        found.add(now())
    assert len(found) == len(modules)
    assert before not in found
    fingerprint.own_code.cache_clear()


def test_the_detected_format_changes_the_fingerprint(fresh):
    common = fresh(settings=TaskSettings(Reader("access", "common")))
    assert common != fresh(settings=TaskSettings(Reader("access", "combined")))


def test_a_format_of_its_own_changes_the_identity_of_a_split_s_result():
    job, split = Job(read=text, key="line", reduce=count), Split("file", "s", "p", 0, 1, (0, 0))
    own = [dataclasses.replace(split, reader=Reader("access", name)) for name in ("common", "combined")]
    assert len({identity(job, one, 1, "abc") for one in (split, *own)}) == 3


@pytest.mark.parametrize(
    "change",
    [{"hash_seed": 7}, {"memory_bytes": 1 << 20}, {"window": ("2026-01-01", "", "")}],
    ids=["hash_seed", "memory_bytes", "window"],
)
def test_a_setting_that_shapes_a_run_file_changes_the_fingerprint(fresh, change):
    usual = TaskSettings(text)
    assert fresh(settings=dataclasses.replace(usual, **change)) != fresh(settings=usual)


def test_a_setting_that_shapes_no_run_file_leaves_the_fingerprint(fresh):
    usual = TaskSettings(text)
    assert fresh(settings=dataclasses.replace(usual, max_failed=3)) == fresh(settings=usual)


def test_an_option_of_the_job_and_its_text_change_the_fingerprint(fresh):
    found = {fresh(), fresh(weight=2), fresh("# a comment")}
    assert len(found) == 3


def test_an_edited_local_module_changes_the_fingerprint(fresh, tmp_path):
    (tmp_path / "beside.py").write_text("X = 1\n")
    before = fresh("import beside")
    (tmp_path / "beside.py").write_text("X = 2\n")
    assert fresh("import beside") != before


def fingerprint_of_function(closed=1, default=2, keyword=3, name="a"):
    def by_line(line, given=default, *, named=keyword):
        yield line, (closed, given, named, helper(line))

    helper = eval(f"lambda line: {name!r} + line")
    job = Job(read=text, map=by_line, reduce=total, pure=True)
    return fingerprint.fingerprint(job, TaskSettings(text), None, {})


def test_a_function_without_a_file_has_the_same_fingerprint_again():
    assert fingerprint_of_function() == fingerprint_of_function()


@pytest.mark.parametrize("held", [{"closed": 9}, {"default": 9}, {"keyword": 9}, {"name": "b"}], ids=str)
def test_a_value_that_a_function_without_a_file_holds_changes_the_fingerprint(held):
    assert fingerprint_of_function(**held) != fingerprint_of_function()


def test_an_attribute_of_a_function_without_a_file_changes_the_fingerprint():
    def by_line(line):
        yield line, by_line.rate

    job = Job(read=text, map=by_line, reduce=total, pure=True)
    by_line.rate = 1
    before = fingerprint.fingerprint(job, TaskSettings(text), None, {})
    by_line.rate = 2
    assert fingerprint.fingerprint(job, TaskSettings(text), None, {}) != before


@pytest.mark.parametrize("base", [int, float, str, bytes, list, tuple, set, frozenset])
def test_a_class_derived_from_a_plain_type_has_methods_of_its_own(base):
    derived = type("Derived", (base,), {"rate": lambda _self: 1})()

    def by_line(line):
        yield line, derived.rate()

    reason = fingerprint.unsaved_because(Job(read=text, map=by_line, reduce=total), None, {})
    assert reason.startswith("it uses ")


def test_an_import_within_a_class_of_a_function_without_a_file_is_not_saved():
    def by_line(line):
        class Names:
            from os import environ as names

        yield line, Names.names["HOME"]

    assert "imports os as an attribute of a class" in fingerprint.unsaved_because(
        Job(read=text, map=by_line, reduce=total), None, {}
    )


def test_the_package_that_a_function_without_a_file_imports_changes_the_fingerprint(monkeypatch):
    def by_line(line):
        import msgpack

        yield line, msgpack.packb(1)

    job = Job(read=text, map=by_line, reduce=total, pure=True)
    before = fingerprint.fingerprint(job, TaskSettings(text), None, {})
    monkeypatch.setattr(metadata, "version", lambda name: "99.0")
    assert fingerprint.fingerprint(job, TaskSettings(text), None, {}) != before


def test_each_local_zone_has_its_own_fingerprint(fresh, monkeypatch, tmp_path):
    monkeypatch.delenv("TZ", raising=False)
    found = {fresh()}
    for zone in ("Europe/Berlin", ":Asia/Tokyo", "", "CET-1CEST,M3.5.0,M10.5.0/3"):
        monkeypatch.setenv("TZ", zone)
        found.add(fresh())
    assert len(found) == 5
    rules = tmp_path / "zone"
    for content in (b"one", b"two"):
        rules.write_bytes(content)
        monkeypatch.setenv("TZ", str(rules))
        found.add(fresh())
    assert len(found) == 7


def test_the_rules_behind_etc_localtime_change_the_fingerprint(fresh, monkeypatch, tmp_path):
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(surroundings, "LOCALTIME", str(tmp_path / "localtime"))
    before = fresh()
    (tmp_path / "localtime").write_bytes(b"rules")
    assert fresh() != before


def test_locale_decimal_context_and_flags_change_the_fingerprint(fresh, monkeypatch):
    before = fresh()
    with decimal.localcontext() as context:
        context.prec = 5
        assert fresh() != before
    decimal.Decimal(1) / 3
    assert fresh() == before
    import _locale

    with monkeypatch.context() as patch:
        patch.setattr(_locale, "setlocale", lambda *_: "de_DE.UTF-8")
        assert fresh() != before
    digits = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(5000)
    try:
        assert fresh() != before
    finally:
        sys.set_int_max_str_digits(digits)


def test_the_database_of_time_zones_changes_the_fingerprint_of_a_job_that_names_it(fresh, monkeypatch, tmp_path):
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "Berlin").write_bytes(b"one")
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path / "zones"),))
    without, named = fresh(""), fresh("import zoneinfo")
    (tmp_path / "zones" / "Berlin").write_bytes(b"other")
    assert fresh("import zoneinfo") != named
    assert fresh("") == without


def test_a_task_in_other_surroundings_saves_and_loads_nothing(tmp_path, monkeypatch):
    (tmp_path / "a.log").write_bytes(b"one\ntwo\n")
    options = RunOptions(engine="inline", cache="on", cache_dir=str(tmp_path / "cache"))
    job = Job(read=text, key="line", reduce=mrframe.count)

    def saved() -> int:
        with mrframe.run(job, [str(tmp_path / "a.log")], options) as result:
            assert list(result) == [("one", 1), ("two", 1)]
            return result.summary.saved_maps

    monkeypatch.setattr(attempt, "surroundings", another_zone())
    assert [saved(), saved()] == [0, 0]
    monkeypatch.undo()
    assert [saved(), saved()] == [0, 1]


def another_zone():
    """The module as it is in an executor with another zone."""
    return type("surroundings", (), {"digest": staticmethod(lambda: "another")})
