"""Dask's bag, two processes: a Python function for each line, as its documentation shows it."""

from __future__ import annotations

from operator import itemgetter

import dask
import dask.bag
import rows


def add_hit(total, hit):
    return rows.add_pairs(total, hit[1])


def main():
    job, out, inputs = rows.arguments()
    dask.config.set(scheduler="processes", num_workers=2)
    lines = dask.bag.read_text(
        inputs, blocksize="16MiB", encoding="utf-8", errors="surrogateescape", linedelimiter="\n"
    )
    lines = lines.map(str.rstrip, "\n")
    if job == "status_counts":
        rows.write(out, lines.map(rows.status_of).frequencies().compute())
    elif job == "top_urls":
        hits = lines.map(rows.hit_of).filter(bool)
        rows.write(out, rows.busiest(hits.foldby(itemgetter(0), add_hit, (0, 0), rows.add_pairs, (0, 0)).compute()))
    elif job == "visitors":
        visits = lines.map(rows.visit_of).filter(bool).distinct()
        rows.write(out, visits.map(itemgetter(0)).frequencies().compute())
    elif job == "word_count":
        rows.write(out, sorted(lines.map(str.split).flatten().frequencies().compute()))


if __name__ == "__main__":
    main()
