"""How many different hosts came in each hour, exactly, in each form that a job may have."""

from mrframe import Job, distinct, logs


def by_hour(hour, host):
    yield hour, host


def by_hour_if_known(hour, host):
    if host is not None:
        yield hour, host


record = Job(read=logs.combined, map=by_hour, reduce=distinct)
called = Job(read=logs.combined, map=by_hour_if_known, reduce=distinct)
declared = Job(read=logs.combined, key="hour", value="host", reduce=distinct)
