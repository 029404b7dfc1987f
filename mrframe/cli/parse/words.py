"""The words of `mrframe count` and `select`: which of them are fields or expressions, and which are inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from mrframe.api.questions.expressions import is_expression
from mrframe.api.questions.where import is_field_name, is_path
from mrframe.errors import InputError, UsageError


def fields_and_inputs(
    words: Sequence[str],
    exists: Callable[[str], bool] = os.path.exists,
    *,
    command: str = "count",
    needs_field: bool = True,
) -> tuple[list[str], list[str]]:
    """The leading words that name fields, or are expressions, and the inputs after them.

    The first word is always a field, unless none is needed. The following ones are as long as they have a field's
    form and no file of that name exists (`./status` is always a file). A path into JSON may have - and @ in its names
    (`User-Agent`), except in the last word, which is rather a missing file. UsageError or InputError when one of the
    two is missing.
    """
    fields: list[str] = []
    for at, word in enumerate(words):
        last = at == len(words) - 1
        is_field = is_field_name(word) or (not last and (is_path(word) or is_expression(word)))
        if not is_field or ((fields or not needs_field) and exists(word)):
            break
        fields.append(word)
    inputs = list(words[len(fields) :])
    if not fields and needs_field:
        named = f"{words[0]!r} is no name of a field" if words else "none was given"
        raise UsageError(f"{command} needs a field first ({named}); such as: mrframe {command} status access.log")
    if not inputs:
        last_word = fields[-1] if fields else ""
        if "." in last_word and len(fields) > needs_field:
            raise InputError(f"{last_word} does not exist; check the path (it is looked for in {os.getcwd()})")
        if fields and exists(last_word):
            raise UsageError(
                f"{command} needs a field before the input {last_word}; such as: mrframe {command} status {last_word}"
            )
        taken = f"no file is called {', '.join(fields)}; " if fields else ""
        raise InputError(f"no input was given: {taken}name a log file, or - for standard input")
    return fields, inputs
