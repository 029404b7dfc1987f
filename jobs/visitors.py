"""How many different hosts came? Per day, or --per hour or minute."""

from mrframe import Job, distinct, logs, main


def job(per: str = "day") -> Job:
    return Job(read=logs.access, key=per, value="host", reduce=distinct, columns=(per, "visitors"))


if __name__ == "__main__":
    main(job)
