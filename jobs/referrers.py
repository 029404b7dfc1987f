"""Which pages did visitors come from most often?"""

from mrframe import Job, count, logs, main, top


def named(referer):
    return bool(referer)  # it is None where the log has "-"


def job(limit: int = 20) -> Job:
    return Job(read=logs.access, where=named, key="referer", reduce=count).then(top(limit))


if __name__ == "__main__":
    main(job)
