"""All lines of a text in order. With --format text, only the lines.

An external sort: partitions are ranges of lines, each is sorted in pieces, and memory stays within its budget
however much there is to sort. A line that occurs twice stays two lines.
"""

from mrframe import Job, each, main, text

job = Job(read=text, key="line", reduce=each, key_order="total")


if __name__ == "__main__":
    main(job)
