"""The one guard around a job's own code: an exception of a hook fails the job, naming the hook and its record or key.

The hooks are the functions of `Job` (map, where, map_split, map_batch, combine, reduce, partition), the function that
makes a job, the job file itself, and the methods of the job's own objects that travel as values. Every caller of one
catches BaseException, asks `passes` whether the exception passes unchanged, and otherwise raises a `HookFailed` from
it. So SystemExit never ends the process, and StopIteration never ends a loop of mrframe early.

Rules.
- A loop in C takes StopIteration from the function that it calls for its own end (`map`, `chain`, `list`, …). Code
  that lets C call a hook therefore checks that the input was read to its end: `is_used_up`.
- A failure is the job's if the innermost frame outside libraries is the job's. An error of reading or writing may
  pass through a hook that asks for its next record or value, and stays unchanged.
- Ctrl-C comes from a person, unless the job's code has a `raise` of its own there.
"""

from __future__ import annotations

import opcode
import signal
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FrameType, TracebackType
from typing import Any

from mrframe.core.job.job import Job, Reducer
from mrframe.core.job.signature import describe
from mrframe.core.safe_text import safe_repr, safe_str
from mrframe.errors import CannotTravel, KeyRefused, MrframeError, UserCodeError
from mrframe.shuffle.keys import canonical, identity_forms
from mrframe.shuffle.partition import slot_range
from mrframe.shuffle.values import pack_values
from mrframe.task.report.failures import NO_KEY, GroupFailed, HookFailed, is_library, is_own

_RAISE = opcode.opmap["RAISE_VARARGS"]


# ---- attribution ----------------------------------------------------------------------------------


def passes(error: BaseException) -> bool:
    """Return whether an exception from a hook is not its fault: already blamed, of reading, or a person's Ctrl-C."""
    if isinstance(error, HookFailed):
        return True
    if isinstance(error, KeyboardInterrupt):
        return is_interrupt(error)
    if isinstance(error, UserCodeError):
        return False
    return isinstance(error, (MrframeError, OSError)) and not is_the_jobs(error)


def is_refusal(error: BaseException) -> bool:
    """Return whether a buffer refused a pair: by mrframe's rules, or because a method of its value failed."""
    if isinstance(error, HookFailed) or is_interrupt(error):
        return False
    return isinstance(error, (KeyRefused, TypeError)) or is_the_jobs(error)


def named_refusal(error: BaseException, reducer: Reducer | None) -> BaseException:
    """Return the refusal of a pair in the user's terms: a ready reducer's TypeError gets the reducer's name."""
    if reducer is None or not isinstance(error, TypeError) or is_the_jobs(error):
        return error
    return UserCodeError(f"reduce={reducer.name}: {error}")


def is_interrupt(error: BaseException | None) -> bool:
    """Return whether this is Ctrl-C or a signal that ends the command, not a KeyboardInterrupt raised by the job.

    A signal interrupts code anywhere but at a `raise`, or its Python handler raises the exception.
    """
    if not isinstance(error, KeyboardInterrupt):
        return False
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    handlers = {_code_of(signal.getsignal(number)) for number in numbers}
    frames = list(_frames(error.__traceback__))
    if not frames or any(frame.f_code in handlers for frame, _ in frames):
        return True
    frame, at = frames[-1]
    return is_own(frame.f_code.co_filename) or frame.f_code.co_code[at] != _RAISE


def is_the_jobs(error: BaseException) -> bool:
    """Return whether the job's own code raised this: its frame is the innermost one outside libraries."""
    for frame, _ in reversed(list(_frames(error.__traceback__))):
        path = frame.f_code.co_filename
        if is_own(path):
            return False
        if not is_library(path):
            return True
    return False


def _frames(tb: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while tb is not None:
        yield tb.tb_frame, tb.tb_lasti
        tb = tb.tb_next


def _code_of(handler: object) -> CodeType | None:
    return getattr(handler, "__code__", None)


def is_used_up(iterator: Iterator[Any]) -> bool:
    """Return whether an iterator over a list was asked for more than its last item.

    Its pickled form tells: an iterator that stands at the end still holds the list, an exhausted one does not.
    """
    return len(iterator.__reduce__()) == 2


# ---- calls ----------------------------------------------------------------------------------------


def no_pairs(error: BaseException, hook: str, function: Callable[..., Any]) -> BaseException:
    """Return the exception, or a clearer one for a function without yield, naming the object that it returned.

    Such an exception has no line of the user's code. Others are not turned into text: there may be no memory for it.
    """
    if isinstance(error, TypeError) and _raised_by_caller(error) and "is not iterable" in safe_str(error):
        what = safe_str(error).partition(" object")[0].strip("'").replace("NoneType", "None")
        return UserCodeError(f"{hook}={describe(function)} returned {what}; it must yield (key, value) pairs")
    return error


def _raised_by_caller(error: BaseException) -> bool:
    return error.__traceback__ is not None and error.__traceback__.tb_next is None


def no_pair(who: str, item: Any) -> UserCodeError:
    """Return the error for a function that yields something other than a pair."""
    return UserCodeError(
        f"{who} yielded {safe_repr(item)}, which is not a (key, value) pair; write: yield key, value"
    )


Combine = Callable[[Any, list[Any]], list[Any]]


def combiner(job: Job) -> Combine | None:
    """Return the job's combiner as a function (key, values) -> values that raises GroupFailed, or None."""
    combine = job.combine
    if combine is None:
        return None

    def combined(key: Any, values: list[Any]) -> list[Any]:
        result = []
        try:
            for pair in combine(key, iter(values)):
                if type(pair) is not tuple or len(pair) != 2 or (pair[0] is not key and not _is_key(pair[0], key)):
                    raise _refused(pair, key, f"combine={describe(combine)}")  # noqa: TRY301
                result.append(pair[1])
        except BaseException as error:  # the user's function runs here
            if is_interrupt(error):
                raise
            raise GroupFailed(key, "combine", values) from no_pairs(error, "combine", combine)
        return result

    return combined


def _refused(pair: Any, key: Any, who: str) -> UserCodeError:
    if type(pair) is not tuple or len(pair) != 2:
        return no_pair(who, pair)
    return UserCodeError(
        f"{who} was given the key {key!r} and yielded {safe_repr(pair[0])}; a combiner must yield the key that it "
        "was given"
    )


def _is_key(yielded: Any, key: Any) -> bool:
    try:
        return canonical(yielded) == canonical(key)
    except KeyRefused:
        return False


def cannot_travel(error: BaseException, keys: Sequence[Any], values: Sequence[Any]) -> BaseException:
    """Return the error for values that could not be written: GroupFailed if a method of a value failed."""
    cause = error.__cause__ if isinstance(error, CannotTravel) else error
    if cause is None or is_interrupt(cause) or not is_the_jobs(cause):
        return error
    failed = GroupFailed(
        next((key for key, value in zip(keys, values, strict=True) if not _packs(value)), NO_KEY), ""
    )
    failed.__cause__ = cause
    return failed


def _packs(value: Any) -> bool:
    try:
        pack_values([value])
    except (CannotTravel, KeyboardInterrupt):
        return False
    return True


def slots_by_user(job: Job, keys: Sequence[Any], slots: int, partitions: int) -> list[int]:
    """Return the first slot of the partition that the job's partitioner gives each key. Raises GroupFailed."""
    function = job.partition
    assert function is not None
    first_slot = [slot_range(p, slots, partitions).start for p in range(partitions)]
    found: list[int] = []
    for key in identity_forms(list(keys)):  # otherwise one key could land in two partitions
        try:
            index = function(key, partitions)
            if type(index) is not int or not 0 <= index < partitions:
                raise UserCodeError(  # noqa: TRY301
                    f"partition={describe(function)} gave {safe_repr(index)} for the key {key!r}; it must give "
                    f"an int from 0 to {partitions - 1}"
                )
        except BaseException as error:  # the user's function runs here
            if is_interrupt(error):
                raise
            raise GroupFailed(key, "partition", partitions=partitions) from error
        found.append(first_slot[index])
    return found
