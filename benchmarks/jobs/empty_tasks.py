"""Tasks that find nothing: what is left is what a task itself costs."""

from mrframe import Job, count, text


def never(line):  # noqa: ARG001  (the name of a field)
    return False


nothing = Job(read=text, where=never, key="line", reduce=count)
