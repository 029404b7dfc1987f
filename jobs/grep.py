"""Which lines match a pattern, and where do they lie (file, offset)?"""

import re

from mrframe import Job, main, text


def each(place, lines):
    for line in lines:
        yield place, line


def job(pattern: str = "error") -> Job:
    matches = re.compile(pattern).search

    def found(file, offset, line):
        if matches(line):
            yield (file, offset), line

    return Job(read=text, map=found, reduce=each, columns=("file", "offset", "line"))


if __name__ == "__main__":
    main(job)
