"""Lines by status, in each form that a job may have. `python run.py` names them."""

from mrframe import Job, count, logs, total


def by_status(status):
    yield status, 1


def by_status_if_known(status):
    if status is not None:
        yield status, 1


record = Job(read=logs.combined, map=by_status, reduce=total)
called = Job(read=logs.combined, map=by_status_if_known, reduce=total)
declared = Job(read=logs.combined, key="status", reduce=count)


def batch() -> Job:
    import pyarrow

    def counted(table):
        found = table.group_by("status").aggregate([([], "count_all")])
        return pyarrow.table({"key": found["status"], "value": found["count_all"]})

    return Job(read=logs.combined, fields=("status",), map_batch=counted, reduce=total)
