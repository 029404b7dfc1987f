"""Ray's tasks on two local cores: pieces of the input are mapped and cut by key, and each cut is reduced."""

from __future__ import annotations

import operator
import os
from collections import Counter, defaultdict
from zlib import crc32

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
import rows

PIECE_BYTES = 16 << 20
CUTS = 2


def status_counts(lines):
    return Counter(map(rows.status_of, lines))


def top_urls(lines):
    table = defaultdict(lambda: (0, 0))
    for hit in filter(None, map(rows.hit_of, lines)):
        table[hit[0]] = rows.add_pairs(table[hit[0]], hit[1])
    return table


def visitors(lines):
    return dict.fromkeys(filter(None, map(rows.visit_of, lines)), 0)


def word_count(lines):
    return Counter(word for line in lines for word in line.split())


QUESTIONS = {fold.__name__: fold for fold in (status_counts, top_urls, visitors, word_count)}


@ray.remote(num_returns=CUTS)
def mapped(job, fold, piece):
    lines = (text_of(line) for block in rows.blocks(piece) for line in rows.lines_of(block))
    cuts = [{} for _ in range(CUTS)]
    for key, value in fold(lines).items():
        name = key[0] if job == "visitors" else key
        cuts[crc32(name.encode("utf-8", "surrogateescape")) % CUTS][key] = value
    return cuts


@ray.remote
def reduced(job, *cuts):
    if job == "visitors":
        return list(Counter(hour for hour, _ in set().union(*cuts)).items())
    add = rows.add_pairs if job == "top_urls" else operator.add
    whole = {}
    for cut in cuts:
        for key, value in cut.items():
            whole[key] = add(whole[key], value) if key in whole else value
    return rows.busiest(whole.items()) if job == "top_urls" else list(whole.items())


def text_of(line):
    return line.decode("utf-8", "surrogateescape")


def main():
    job, out, inputs = rows.arguments()
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    given = [mapped.remote(job, QUESTIONS[job], piece) for piece in rows.pieces(inputs, PIECE_BYTES)]
    parts = ray.get([reduced.remote(job, *cuts) for cuts in zip(*given, strict=True)])
    found = [row for part in parts for row in part]
    if job == "top_urls":
        found = sorted(found, key=lambda row: (-row[1], row[0]))[: rows.TOP_ROWS]
    elif job == "word_count":
        found.sort()
    rows.write(out, found)


if __name__ == "__main__":
    main()
