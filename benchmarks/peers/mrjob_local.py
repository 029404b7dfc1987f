"""mrjob's local runner, two processes: a mapper and a reducer in Python for each line and key, as its documentation
shows them. It starts this file again for each task, with its own arguments.
"""

from __future__ import annotations

import os
import sys

import rows
from mrjob.job import MRJob
from mrjob.protocol import BytesValueProtocol
from mrjob.step import MRStep


def text_of(line):
    return line.decode("utf-8", "surrogateescape")


class Question(MRJob):
    """One of the jobs. Its name comes with the arguments."""

    INPUT_PROTOCOL = BytesValueProtocol

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg("--question")

    def steps(self):
        add = {"combiner": self.add_pairs, "reducer": self.add_pairs}
        count = {"combiner": self.add, "reducer": self.add}
        return {
            "status_counts": [MRStep(mapper=self.by_status, **count)],
            "top_urls": [MRStep(mapper=self.by_path, **add)],
            "visitors": [MRStep(mapper=self.by_visit, combiner=self.once, reducer=self.by_hour), MRStep(**count)],
            "word_count": [MRStep(mapper=self.by_word, **count)],
        }[self.options.question]

    def by_status(self, _, line):
        yield rows.status_of(text_of(line)), 1

    def by_path(self, _, line):
        hit = rows.hit_of(text_of(line))
        if hit:
            yield hit

    def by_visit(self, _, line):
        visit = rows.visit_of(text_of(line))
        if visit:
            yield visit, None

    def by_word(self, _, line):
        for word in text_of(line).split():
            yield word, 1

    def once(self, visit, _):
        yield visit, None

    def by_hour(self, visit, _):
        yield visit[0], 1

    def add(self, key, values):
        yield key, sum(values)

    def add_pairs(self, key, values):
        total = (0, 0)
        for value in values:
            total = rows.add_pairs(total, value)
        yield key, total


def main():
    job, out, inputs = rows.arguments()
    os.environ["PYTHONPATH"] = os.path.dirname(os.path.abspath(__file__))  # its tasks run in other folders
    asked = Question(["-r", "local", "--num-cores", "2", "--no-conf", "-q", "--question", job, *inputs])
    with asked.make_runner() as runner:
        runner.run()
        answer = asked.parse_output(runner.cat_output())
        if job == "top_urls":
            answer = rows.busiest(answer)
        elif job == "word_count":
            answer = sorted(answer)
        rows.write(out, answer)


if __name__ == "__main__":
    if sys.argv[1].startswith("-"):
        Question.run()
    else:
        main()
