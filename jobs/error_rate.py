"""What share of requests did the server fail to answer (status 500 and above), hour by hour?"""

from mrframe import Job, logs, main


def by_hour(hour, status):
    yield hour, (1, (status or 0) >= 500)  # the status is None where none was sent


def add(hour, values):
    requests, errors = map(sum, zip(*values))
    yield hour, (requests, errors)


def share(hour, values):
    [(hour, (requests, errors))] = add(hour, values)
    yield hour, {"requests": requests, "errors": errors, "share": errors / requests}


job = Job(read=logs.access, map=by_hour, combine=add, reduce=share, columns=("hour",))


if __name__ == "__main__":
    main(job)
