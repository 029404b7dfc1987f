"""How many requests ended in each HTTP status?"""

from mrframe import Job, logs, main, total


def by_status(status):  # the parameters name the fields wanted
    yield status, 1


job = Job(read=logs.access, map=by_status, reduce=total, columns=("status", "requests"))


if __name__ == "__main__":
    main(job)
