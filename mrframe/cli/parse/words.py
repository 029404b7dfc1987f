"""The words of `mrframe count`: which of them name fields, and which are inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from mrframe.api.questions.where import is_field_name, is_path
from mrframe.errors import InputError, UsageError


def fields_and_inputs(
    words: Sequence[str], exists: Callable[[str], bool] = os.path.exists
) -> tuple[list[str], list[str]]:
    """The leading words that name fields, and the inputs after them.

    The first word is always a field. The following ones are as long as they have a field's form and no file of
    that name exists (`./status` is always a file). A path into JSON may have - and @ in its names (`User-Agent`),
    except in the last word, which is rather a missing file. UsageError or InputError when one of the two is missing.
    """
    fields: list[str] = []
    for at, word in enumerate(words):
        is_field = is_field_name(word) or (at < len(words) - 1 and is_path(word))
        if not is_field or (fields and exists(word)):
            break
        fields.append(word)
    inputs = list(words[len(fields) :])
    if not fields:
        named = f"{words[0]!r} is no name of a field" if words else "none was given"
        raise UsageError(f"count needs a field first ({named}); such as: mrframe count status access.log")
    if not inputs:
        last = fields[-1]
        if "." in last and len(fields) > 1:
            raise InputError(f"{last} does not exist; check the path (it is looked for in {os.getcwd()})")
        taken = ", ".join(fields)
        raise InputError(f"no input was given: no file is called {taken}; name a log file, or - for standard input")
    return fields, inputs
