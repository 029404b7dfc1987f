"""The inputs of the benchmarks, their sizes and their folder. They are made once, outside git.

The folder is $MRFRAME_BENCH_DATA, or `.bench-data` in the project. An input is complete when its truth is there.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import make_data

ROOT = Path(__file__).resolve().parents[1]
VERSION = 1  # raised when the generator gives other bytes for the same arguments
MIB = 1 << 20
SIZES = {  # of each kind, in bytes
    "tiny": {"logs": MIB // 4, "text": MIB // 8, "records": MIB // 8},
    "few": {"logs": 4 * MIB, "text": MIB, "records": 2 * MIB},
    "small": {"logs": 128 * MIB, "text": 16 * MIB, "records": 48 * MIB},
    "full": {"logs": 1024 * MIB, "text": 300 * MIB, "records": 300 * MIB},
}
FILES = {"logs": 4, "text": 2, "records": 2}
FIXED = {"lines": 0, "grains": 100_000}  # a thousand lines of log, a thousand records of equal length


@dataclass(frozen=True)
class Input:
    """Files, their truth, and their bytes."""

    files: tuple[str, ...]
    truth: dict
    bytes: int


def folder_of_data() -> Path:
    """Where inputs and results are kept."""
    return Path(os.environ.get("MRFRAME_BENCH_DATA") or ROOT / ".bench-data").absolute()


def ready(kind: str, sizes: str, folder: Path) -> Input:
    """The input of one kind, made if it is not there yet."""
    name = kind if kind in FIXED else f"{kind}-{SIZES[sizes][kind] // 1024}k"
    place = folder / f"{name}-v{VERSION}"
    truth = place / "truth.json"
    if not truth.exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        if kind == "lines":
            make_data.make("logs", str(place), 0, files=1, lines=1000)
        elif kind == "grains":
            make_data.make("records", str(place), FIXED[kind], files=1)
        else:
            make_data.make(kind, str(place), SIZES[sizes][kind], files=FILES[kind])
    files = tuple(str(path) for path in sorted(place.iterdir()) if path != truth)
    return Input(files, json.loads(truth.read_text("utf-8")), sum(map(os.path.getsize, files)))
