"""A toy output format, lines `key=value`, and a toy sink, which appends to a list when it commits."""

from __future__ import annotations

from mrframe.errors import OutputError
from mrframe.formats.output.named_outputs import OutputFormat


class PairsWriter:
    """See `mrframe.formats.output.block_writer.BlockWriter`."""

    def __init__(self, options):
        pass

    def block(self, keys, values):
        return "".join([f"{key}={value}\n" for key, value in zip(keys, values, strict=True)]).encode()


PAIRS = OutputFormat("pairs", "key=value", (".pairs",), lambda: PairsWriter)
COMMITTED = []


class ListSink:
    """See `mrframe.sinks.result_sink.ResultSink`."""

    def __init__(self, target, delivery):
        self.target = target

    def check(self):
        if "refused" in self.target:
            raise OutputError(f"the output {self.target} is refused")

    def begin(self, about):
        self.rows = [about["job"]]

    def write(self, answer):
        for row in answer.rows():
            self.rows.append(row)

    def commit(self):
        COMMITTED.append(self.rows)

    def abort(self):
        COMMITTED.append("aborted")
