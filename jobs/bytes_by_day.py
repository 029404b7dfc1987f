"""How many bytes were sent on each day?"""

from mrframe import Job, logs, main, total

job = Job(read=logs.access, key="day", value="size", reduce=total)  # a size of "-" adds nothing


if __name__ == "__main__":
    main(job)
