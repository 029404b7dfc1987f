"""The settings of a run that its tasks read, beside the job itself.

`TaskSettings` is the one description of them: `wire/codec.py` encodes it from its type hints (`package.py`), and
`cache/fingerprint.py` reads which fields shape a saved map result from their metadata. A new setting is one field at
the end of the class, marked ADDED, so that packages written before it are still read.

Not here: the options of a command (`core/settings/options.py`), from which `engines/plan/planning.py` makes these.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from mrframe.core.fast_dataclass import ADDED, dataclass
from mrframe.core.model.reader import Reader
from mrframe.core.model.spec import MIB, Split

NOT_OF_RESULTS: dict[str, Any] = {"not_of_results": True}
"""Metadata of a setting that does not change the output of a map attempt whose result may be saved."""


@dataclass(frozen=True, slots=True)
class Saving:
    """Where map results are saved, and for which job.

    path    folder of `store/result_store.py`
    job     fingerprint of the job in hex. `name` is the name that people see
    known   whether the job has saved results: if not, a split is hashed while it is mapped, not before
    verify  share of the saved results that are computed again and compared, 0 to 1
    windowed  whether the run has a time window, which is not part of the fingerprint (`cache/time_spans.py`)
    watched  whether the effects of the job's code are watched (`isolation/effects.py`): it does not say `pure=True`
    surroundings  digest of the surroundings in the fingerprint (`isolation/surroundings.py`): a process with other
            surroundings neither saves nor loads
    """

    path: str
    job: str
    name: str
    known: bool = False
    verify: float = 0.0
    windowed: bool = False
    watched: bool = False
    surroundings: str = ""


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Settings that tasks need beside the job.

    reader          concrete reader of the first step (never "auto"). Of a join, {source: its reader}. A split of an
                    input in another format names its own
    memory_bytes    budget of an executor for buffered pairs, in bytes
    keep_rejects    whether malformed lines are kept whole, in the file `rejects` of each map attempt
    cuts            keys between which the first step's ranges lie (key_order="total"), encoded as a column of keys
                    (`shuffle/columns.py`). b"" for none
    sampling        whether the job only samples the keys that its first step's map yields
    fast            whether the kernel's tables may be used where it is installed
    max_failed      records on which the job's code may fail: a number, or a share (float)
    stall_s         seconds without progress after which the child of an isolated attempt is killed, None: never
    memory_limit_bytes  memory limit of an executor's process, in bytes, None: no limit
    keep_quarantine whether records on which the code failed are kept, in the file `quarantine` of map attempts
    saving          where map results are saved, None: nowhere
    window          time window: since, until (ISO with a zone, or ""), zone of times that have none
                    (`formats/readers/time_window.py`), None: no window
    hash_seed       seed of the hash that assigns keys to partitions, in every step
    scratch_bytes_max  bytes that a task may hold in files of its own at a time
    pass_env        environment variables that the job's code sees although they look like secrets
    """

    reader: Reader | dict[str, Reader]
    memory_bytes: int = 256 * MIB
    keep_rejects: bool = field(default=False, metadata=NOT_OF_RESULTS)
    cuts: bytes = field(default=b"", metadata=NOT_OF_RESULTS)
    sampling: bool = field(default=False, metadata=NOT_OF_RESULTS)
    fast: bool = True
    max_failed: int | float = field(default=0, metadata=NOT_OF_RESULTS)
    stall_s: float | None = field(default=None, metadata=NOT_OF_RESULTS)
    memory_limit_bytes: int | None = field(default=None, metadata=NOT_OF_RESULTS)
    keep_quarantine: bool = field(default=False, metadata=NOT_OF_RESULTS)
    saving: Saving | None = field(default=None, metadata=NOT_OF_RESULTS)
    window: tuple[str, str, str] | None = None
    hash_seed: int = 0
    scratch_bytes_max: int = field(default=64 * 1024 * MIB, metadata=NOT_OF_RESULTS)
    pass_env: tuple[str, ...] = field(default=(), metadata=NOT_OF_RESULTS | ADDED)

    def reader_of(self, split: Split) -> Reader:
        """Return the reader of a split of the inputs."""
        if split.reader is not None:
            return split.reader
        return self.reader if isinstance(self.reader, Reader) else self.reader[split.input_name]
