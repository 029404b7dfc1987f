"""Plain Python: one process, one loop over the lines, the whole record matched. The reference of the others."""

from __future__ import annotations

from collections import Counter, defaultdict

import rows


def records(inputs):
    """The groups of each line, or None."""
    match = rows.RECORD.fullmatch
    for path in inputs:
        with open(path, "rb") as file:
            for line in file:
                found = match(line.rstrip(b"\n"))
                yield found.groups() if found else None


def status_counts(inputs, out):
    counts = Counter()
    for record in records(inputs):
        counts[record[rows.STATUS] if record else "malformed"] += 1
    rows.write(out, counts.items())


def top_urls(inputs, out):
    table = defaultdict(lambda: [0, 0])
    for record in records(inputs):
        if record:
            entry = table[record[rows.TARGET].partition(b"?")[0]]
            entry[0] += 1
            if record[rows.SIZE] != b"-":
                entry[1] += int(record[rows.SIZE])
    rows.write(out, rows.busiest(table.items()))


def visitors(inputs, out):
    hosts = defaultdict(set)
    for record in records(inputs):
        if record:
            hosts[record[rows.TIME][: rows.HOUR_CHARS]].add(record[rows.HOST])
    rows.write(out, ((hour, len(found)) for hour, found in hosts.items()))


def word_count(inputs, out):
    counts = Counter()
    for path in inputs:
        with open(path, "rb") as file:
            for line in file:
                counts.update(line.split())
    with open(f"{out}/part-0", "wb") as file:
        file.writelines(b"%b\t%d\n" % pair for pair in sorted(counts.items()))


def sort(inputs, out):
    lines = []
    for path in inputs:
        with open(path, "rb") as file:
            lines += file
    lines.sort()
    with open(f"{out}/part-0", "wb") as file:
        file.writelines(lines)


if __name__ == "__main__":
    job, folder, files = rows.arguments()
    globals()[job](files, folder)
