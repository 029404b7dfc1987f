"""All lines of a text in order, each with its place (file:offset)."""

from mrframe import Job, main, text


def by_line(line, file, offset):
    yield line, f"{file}:{offset}"


def each(line, places):  # a line that occurs twice stays two lines
    for place in places:
        yield line, place


job = Job(read=text, map=by_line, reduce=each)


if __name__ == "__main__":
    main(job)
