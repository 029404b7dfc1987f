"""The one door: everything that a command does, as functions and classes that a program can call.

    run a job here and now            run, Result, Summary, Progress, plan_run, Trial
    the standing cluster              start_cluster, stop_cluster, cluster_status, connect, Client, Submission
    questions and formats             count_job, select_job, log_formats, detect_format, format_fields, try_format
    kept runs and cached results       input_lines, kept_failures, last_id, SavedResults
    jobs and this machine             find_job, load_job, start_job, ready_names, examine

Names are loaded when they are first used, so that a command imports no more than it needs. The last group below are
values and tools of lower rooms that the command line and the pytest plugin need, handed on here, so that they reach
into no other room.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrframe.api.explain.health import Finding, examine, reader_text
    from mrframe.api.explain.input_lines import InputLine, InputLines
    from mrframe.api.explain.kept_failures import FailureInfo, KeptFailures, Replayed, run_again
    from mrframe.api.explain.saved_results import SavedJobInfo, SavedResults
    from mrframe.api.explain.started_job import start_job
    from mrframe.api.explain.trial import Trial, TriedWay
    from mrframe.api.found_job import FoundJob, JobLike, find_job, load_job
    from mrframe.api.job_run import expect_job_code, run
    from mrframe.api.questions.count_job import count_job, kept_question
    from mrframe.api.questions.log_formats import (
        DetectedFormat,
        LogFormat,
        Mismatch,
        TriedFormat,
        detect_format,
        format_fields,
        formats_of_config,
        log_formats,
        name_formats,
        try_format,
    )
    from mrframe.api.questions.select_job import select_job
    from mrframe.api.result import Result
    from mrframe.api.run_plan import PlannedFile, RunPlan, plan_run
    from mrframe.api.standing.by_id import (
        input_lines,
        kept_failures,
        kept_run_ids,
        last_id,
        last_submission_id,
        submission_id,
    )
    from mrframe.api.standing.clusters import StartedCluster, cluster_status, start_cluster, stop_cluster
    from mrframe.api.standing.connection import Client, connect
    from mrframe.api.standing.dataset_client import BLOCK_BYTES_MIN
    from mrframe.api.standing.dataset_rows import DatasetInfo, NodeStore, StoredDataset, StoreReport
    from mrframe.api.standing.rows import CancelledSubmission, ClusterStatus, SubmissionInfo
    from mrframe.api.standing.submission_handle import Submission
    from mrframe.bootstrap import claim_process
    from mrframe.core.settings.options import RunOptions
    from mrframe.engines.datasets.datasets import check_name as check_dataset_name
    from mrframe.engines.datasets.fsck import BlockPosition
    from mrframe.engines.history.summary import MalformedSample, Summary
    from mrframe.engines.protocol import Progress
    from mrframe.formats.output.named_outputs import FORMATS, OUTPUTS
    from mrframe.formats.output.value_text import plain_as_utf8
    from mrframe.formats.output.writing import jsonl_lines
    from mrframe.formats.registry import is_added, readers_by_name
    from mrframe.plugins import is_registered
    from mrframe.sinks.named_sinks import form_for, sink_for
    from mrframe.sinks.result_sink import Delivery
    from mrframe.store.output import check_target, whole_file
    from mrframe.task.code.job_file import ready_descriptions, ready_names
    from mrframe.task.debug.capsule import Capsule
    from mrframe.task.isolation import stdout
    from mrframe.task.isolation.hook_guard import is_the_jobs
    from mrframe.task.isolation.process_log import flush_prints
    from mrframe.task.report.failures import exception_text, user_traceback

_MODULES = {
    "api.explain.health": ("Finding", "examine", "reader_text"),
    "api.explain.input_lines": ("InputLine", "InputLines"),
    "api.explain.kept_failures": ("FailureInfo", "KeptFailures", "Replayed", "run_again"),
    "api.explain.saved_results": ("SavedJobInfo", "SavedResults"),
    "api.explain.started_job": ("start_job",),
    "api.explain.trial": ("Trial", "TriedWay"),
    "api.found_job": ("FoundJob", "JobLike", "find_job", "load_job"),
    "api.job_run": ("expect_job_code", "run"),
    "api.questions.count_job": ("count_job", "kept_question"),
    "api.questions.log_formats": (
        *("DetectedFormat", "LogFormat", "Mismatch", "TriedFormat"),
        *("detect_format", "format_fields", "formats_of_config", "log_formats", "name_formats", "try_format"),
    ),
    "api.questions.select_job": ("select_job",),
    "api.result": ("Result",),
    "api.run_plan": ("PlannedFile", "RunPlan", "plan_run"),
    "api.standing.by_id": (
        *("input_lines", "kept_failures", "kept_run_ids"),
        *("last_id", "last_submission_id", "submission_id"),
    ),
    "api.standing.clusters": ("StartedCluster", "cluster_status", "start_cluster", "stop_cluster"),
    "api.standing.connection": ("Client", "connect"),
    "api.standing.dataset_client": ("BLOCK_BYTES_MIN",),
    "api.standing.dataset_rows": ("DatasetInfo", "NodeStore", "StoreReport", "StoredDataset"),
    "api.standing.rows": ("CancelledSubmission", "ClusterStatus", "SubmissionInfo"),
    "api.standing.submission_handle": ("Submission",),
    # of lower rooms
    "bootstrap": ("claim_process",),
    "core.settings.options": ("RunOptions",),
    "engines.datasets.fsck": ("BlockPosition",),
    "engines.history.summary": ("MalformedSample", "Summary"),
    "engines.protocol": ("Progress",),
    "formats.output.named_outputs": ("FORMATS", "OUTPUTS"),
    "formats.output.value_text": ("plain_as_utf8",),
    "formats.output.writing": ("jsonl_lines",),
    "formats.registry": ("is_added", "readers_by_name"),
    "plugins": ("is_registered",),
    "sinks.result_sink": ("Delivery",),
    "sinks.named_sinks": ("form_for", "sink_for"),
    "store.output": ("check_target", "whole_file"),
    "task.code.job_file": ("ready_descriptions", "ready_names"),
    "task.debug.capsule": ("Capsule",),
    "task.isolation.hook_guard": ("is_the_jobs",),
    "task.isolation.process_log": ("flush_prints",),
    "task.report.failures": ("exception_text", "user_traceback"),
}
_MODULE_OF = {name: (module, name) for module, names in _MODULES.items() for name in names}
_MODULE_OF["check_dataset_name"] = ("engines.datasets.datasets", "check_name")

__all__ = [
    "BLOCK_BYTES_MIN",
    "FORMATS",
    "OUTPUTS",
    "BlockPosition",
    "CancelledSubmission",
    "Capsule",
    "Client",
    "ClusterStatus",
    "DatasetInfo",
    "Delivery",
    "DetectedFormat",
    "FailureInfo",
    "Finding",
    "FoundJob",
    "InputLine",
    "InputLines",
    "JobLike",
    "KeptFailures",
    "LogFormat",
    "MalformedSample",
    "Mismatch",
    "NodeStore",
    "PlannedFile",
    "Progress",
    "Replayed",
    "Result",
    "RunOptions",
    "RunPlan",
    "SavedJobInfo",
    "SavedResults",
    "StartedCluster",
    "StoreReport",
    "StoredDataset",
    "Submission",
    "SubmissionInfo",
    "Summary",
    "Trial",
    "TriedFormat",
    "TriedWay",
    "check_dataset_name",
    "check_target",
    "claim_process",
    "cluster_status",
    "connect",
    "count_job",
    "detect_format",
    "examine",
    "exception_text",
    "expect_job_code",
    "find_job",
    "flush_prints",
    "form_for",
    "format_fields",
    "formats_of_config",
    "input_lines",
    "is_added",
    "is_registered",
    "is_the_jobs",
    "jsonl_lines",
    "kept_failures",
    "kept_question",
    "kept_run_ids",
    "last_id",
    "last_submission_id",
    "load_job",
    "log_formats",
    "name_formats",
    "plain_as_utf8",
    "plan_run",
    "reader_text",
    "readers_by_name",
    "ready_descriptions",
    "ready_names",
    "run",
    "run_again",
    "select_job",
    "sink_for",
    "start_cluster",
    "start_job",
    "stdout",
    "stop_cluster",
    "submission_id",
    "try_format",
    "user_traceback",
    "whole_file",
]


def __getattr__(name: str) -> Any:
    if name == "stdout":
        value: Any = importlib.import_module("mrframe.task.isolation.stdout")
    elif name in _MODULE_OF:
        module, theirs = _MODULE_OF[name]
        value = getattr(importlib.import_module(f"mrframe.{module}"), theirs)
    else:
        raise AttributeError(f"module 'mrframe.api' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
