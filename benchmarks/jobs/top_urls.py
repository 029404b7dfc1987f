"""The hundred busiest paths with their hits and bytes, in each form that a job may have."""

from mrframe import Job, count, logs, top, total

TABLE = {"hits": count, "bytes": total}


def by_path(path, size):
    yield path, (1, size or 0)


def add(path, values):
    hits, size = map(sum, zip(*values, strict=True))
    yield path, (hits, size)


def sizes(path, size):
    yield path, size


own_combiner = Job(read=logs.combined, map=by_path, combine=add, reduce=add).then(top(100, by=0))
record = Job(read=logs.combined, map=sizes, reduce=TABLE).then(top(100, by="hits"))
declared = Job(read=logs.combined, key="path", value="size", reduce=TABLE).then(top(100, by="hits"))
