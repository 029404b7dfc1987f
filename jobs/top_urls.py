"""Which paths are the busiest, by hits, and how many bytes did they cost?"""

from mrframe import Job, logs, main, top


def by_path(path, size):
    yield path, (1, size or 0)


def add(path, values):  # combine and reduce: (key, iterator of values) -> pairs
    hits, size = map(sum, zip(*values))
    yield path, (hits, size)


def job(limit: int = 20) -> Job:  # a job with options: the signature is the command line (--limit 20)
    hits = Job(read=logs.access, map=by_path, combine=add, reduce=add, columns=("path", "hits", "bytes"))
    return hits.then(top(limit, by=0))


if __name__ == "__main__":
    main(job)
