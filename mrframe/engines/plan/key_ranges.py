"""Total order: before the job itself, a small job on the same engine samples its keys, and the cuts go into its plan.

So the user's map runs where it always runs, and nobody else sees a key. docs/decisions/0004-total-order.md says
why it is done so. Not here: the sampling map task (`task/map/key_sample.py`), cutting (`shuffle/range_partition.py`).
"""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from mrframe.core.model.spec import Split, StepSpec
from mrframe.engines.protocol import Plan
from mrframe.formats.inputs.head import decoded_head
from mrframe.shuffle.columns import encode
from mrframe.shuffle.range_partition import choose_cuts
from mrframe.shuffle.run_file.run_writer import RunReader

SAMPLE_ID = "job-2"
SPLITS_MAX = 256  # that are sampled, evenly spread
COMPRESSED_MAX = 32  # compressed files of which the beginning is sampled


def sample_plan(plan: Plan) -> tuple[Plan, Plan | None]:
    """(the plan to use in place of the one given, the plan of its sampling job or None where none is needed)."""
    if plan.job.key_order != "total" or plan.steps[0].partitions == 1:
        return plan, None
    first: list[Split] = []
    if plan.feed is not None:
        first = [split for split in [next(plan.feed, None)] if split is not None]
        plan = dataclasses.replace(plan, feed=chain(first, plan.feed))
    plain = _spread([split for split in plan.splits if split.is_planned_range], SPLITS_MAX)
    packed = _spread([split for split in plan.splits if split.is_compressed], COMPRESSED_MAX)
    sample = dataclasses.replace(
        plan,
        settings=dataclasses.replace(plan.settings, sampling=True, keep_rejects=False, hash_seed=0),
        options=dataclasses.replace(plan.options, order_seed=None),
        steps=(StepSpec(1, stall_s=plan.options.stall_s),),
        splits=(*plain, *_heads(packed, plan.scratch.make()), *first),
        feed=None,
    )
    return plan, sample


def with_cuts(plan: Plan, parts: Sequence[str | bytes]) -> Plan:
    """The plan with the cuts that follow from the output of its sampling job: files, or their paths."""
    sample = []
    for part in parts:
        with open(part, "rb") if isinstance(part, str) else io.BytesIO(part) as file:
            for stream in RunReader(file, "the sample of the keys", unpickle=False).streams(0):
                for _, _, rows in stream:
                    sample += rows
    cuts = encode(choose_cuts(sample, plan.steps[0].partitions))
    return dataclasses.replace(plan, settings=dataclasses.replace(plan.settings, cuts=cuts))


def _spread(splits: Sequence[Split], most: int) -> list[Split]:
    if len(splits) <= most:
        return list(splits)
    return [splits[i * len(splits) // most] for i in range(most)]


def _heads(splits: Iterable[Split], scratch: str) -> Iterator[Split]:
    """The first lines of compressed inputs, as files of their own."""
    folder = os.path.join(scratch, "sample")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for number, split in enumerate(splits):
        head = decoded_head(split.path, split.source, state=split.state)
        head = head[: head.rfind(b"\n") + 1]
        path = os.path.join(folder, f"head-{number}")
        with open(path, "xb") as file:
            file.write(head)
        if head:
            yield dataclasses.replace(split, kind="file", path=path, length=len(head), state=())
