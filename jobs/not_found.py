"""Which missing paths were requested most often (status 404)?"""

from mrframe import Job, count, logs, main, top


def missing(status):
    return status == 404


def job(limit: int = 20) -> Job:
    return Job(read=logs.access, where=missing, key="path", reduce=count).then(top(limit))


if __name__ == "__main__":
    main(job)
