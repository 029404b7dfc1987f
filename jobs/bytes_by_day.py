"""How many bytes were sent on each day?"""

from mrframe import Job, logs, main, total

# a size of "-" adds nothing
job = Job(read=logs.access, key="day", value="size", reduce=total, columns=("day", "bytes"))


if __name__ == "__main__":
    main(job)
