"""Tasks that find nothing, to leave only the cost of a task itself."""

from mrframe import Job, count, text


def never(line):  # noqa: ARG001  (the name of a field)
    return False


nothing = Job(read=text, where=never, key="line", reduce=count)
