"""Python by hand on two cores: `multiprocessing.Pool(2)` over pieces of the files, a table per piece, one sum.

`pool.py` matches each record whole, line by line, as most would write it. With `--tuned` it answers this very
question as an expert would: one pattern run over whole blocks by `findall`, which captures only the parts needed.
Neither says which lines were malformed, or bounds its memory.
"""

from __future__ import annotations

import marshal
import multiprocessing
import os
import re
import shutil
import sys
from collections import Counter, defaultdict

import rows

PROCESSES = 2
PIECE_BYTES = 16 << 20
TASKS = 1000
SAMPLES = 64  # looked at in each file to find a cut between the processes
QUOTED = r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"'


def tuned(host=r"\S+", time=r"[^\]\n]+", target=r"\S+", status=r"[0-9]{3}", size=r"(?:[0-9]+|-)"):
    """The pattern of a line within a block, some of its parts captured."""
    line = rf'^{host} \S+ \S+ \[{time}\] "[A-Z]+ {target} HTTP/[0-9.]+" {status} {size} {QUOTED} {QUOTED}$'
    return re.compile(line.encode(), re.MULTILINE).findall


FIND_STATUS = tuned(status=r"([0-9]{3})")
FIND_HIT = tuned(target=r"([^\s?]+)\S*", size=r"([0-9]+|-)")
FIND_VISIT = tuned(host=r"(\S+)", time=r"([^\]\n]{14})[^\]\n]*")
TUNED = "--tuned" in sys.argv


def matched(piece):
    """The groups of the well-formed lines of a piece, or None for a malformed one."""
    match = rows.RECORD.fullmatch
    for block in rows.blocks(piece):
        for line in rows.lines_of(block):
            found = match(line)
            yield found.groups() if found else None


def status_counts(piece):
    counts = Counter()
    if TUNED:
        for block in rows.blocks(piece):
            found = FIND_STATUS(block)
            counts.update(found)
            counts[b"malformed"] += block.count(b"\n") + (not block.endswith(b"\n")) - len(found)
    else:
        for record in matched(piece):
            counts[record[rows.STATUS] if record else b"malformed"] += 1
    return counts


def hits_and_sizes(piece):
    if TUNED:
        for block in rows.blocks(piece):
            yield from FIND_HIT(block)
    else:
        for record in matched(piece):
            if record:
                yield record[rows.TARGET].partition(b"?")[0], record[rows.SIZE]


def top_urls(piece):
    table = {}
    known = table.get
    for path, size in hits_and_sizes(piece):
        entry = known(path)
        if entry is None:
            entry = table[path] = [0, 0]
        entry[0] += 1
        if size != b"-":
            entry[1] += int(size)
    return table


def visitors(piece):
    hosts = defaultdict(set)
    if TUNED:
        for block in rows.blocks(piece):
            for host, hour in FIND_VISIT(block):
                hosts[hour].add(host)
    else:
        for record in matched(piece):
            if record:
                hosts[record[rows.TIME][: rows.HOUR_CHARS]].add(record[rows.HOST])
    return dict(hosts)


def no_task(_number):
    return None


def cut_between(inputs, parts):
    """Return a key that about half of all different parts (words, lines) of the input come before."""
    samples = set()
    for path in inputs:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            for number in range(SAMPLES):
                file.seek(size * number // SAMPLES)
                file.readline()
                samples.update(parts(file.read(4000))[:-1])
    return sorted(samples)[len(samples) // 2] if samples else b""


def halves(inputs):
    """The pieces of the input, dealt out to the processes."""
    total = sum(map(os.path.getsize, inputs))
    some = rows.pieces(inputs, max(1, total // PROCESSES // 4 + 1))
    return [some[number::PROCESSES] for number in range(PROCESSES)]


def count_words(job):
    number, some, cut, folder = job
    counts = Counter()
    for piece in some:
        for block in rows.blocks(piece):
            counts.update(block.split())
    low, high = {}, {}
    for word, count in counts.items():
        (low if word < cut else high)[word] = count
    for half, part in enumerate((low, high)):
        with open(f"{folder}/{number}-{half}", "wb") as file:
            marshal.dump(part, file, 2)  # version 2 looks for no references


def add_words(job):
    half, folder, out = job
    total = {}
    for number in range(PROCESSES):
        with open(f"{folder}/{number}-{half}", "rb") as file:
            part = marshal.load(file)
        if number == 0:
            total = part
            continue
        known = total.get
        for word, count in part.items():
            total[word] = known(word, 0) + count
    with open(f"{out}/part-{half}", "wb", buffering=1 << 20) as file:
        file.writelines([b"%b\t%d\n" % pair for pair in sorted(total.items())])


def deal_lines(job):
    number, some, cut, folder = job
    low, high = [], []
    for piece in some:
        for block in rows.blocks(piece):
            for line in block.splitlines(keepends=True):
                (low if line < cut else high).append(line)
    for half, lines in enumerate((low, high)):
        with open(f"{folder}/{number}-{half}", "wb", buffering=1 << 20) as file:
            file.writelines(lines)


def sort_lines(job):
    half, folder, out = job
    lines = []
    for number in range(PROCESSES):
        with open(f"{folder}/{number}-{half}", "rb") as file:
            lines += file.read().splitlines(keepends=True)
    lines.sort()
    with open(f"{out}/part-{half}", "wb", buffering=1 << 20) as file:
        file.writelines(lines)


def in_two_steps(pool, first, second, parts, inputs, out):
    """Deal to files by a cut, then put each half in order: a shuffle by hand."""
    folder = f"{out}/.parts"
    os.mkdir(folder)
    cut = cut_between(inputs, parts)
    pool.map(first, [(number, some, cut, folder) for number, some in enumerate(halves(inputs))], 1)
    pool.map(second, [(half, folder, out) for half in range(PROCESSES)], 1)
    shutil.rmtree(folder)


def summed(pool, function, inputs):
    """One table from those of all pieces."""
    table = {}
    for part in pool.imap_unordered(function, rows.pieces(inputs, PIECE_BYTES)):
        for key, value in part.items():
            old = table.get(key)
            if old is None:
                table[key] = value
            elif isinstance(old, set):
                old |= value
            else:
                table[key] = old + value if isinstance(old, int) else list(rows.add_pairs(old, value))
    return table


def main():
    job, out, inputs = rows.arguments()
    inputs = [path for path in inputs if path != "--tuned"]
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        if job == "status_counts":
            rows.write(out, summed(pool, status_counts, inputs).items())
        elif job == "top_urls":
            rows.write(out, rows.busiest(summed(pool, top_urls, inputs).items()))
        elif job == "visitors":
            rows.write(out, ((hour, len(hosts)) for hour, hosts in summed(pool, visitors, inputs).items()))
        elif job == "empty_tasks":
            list(pool.imap_unordered(no_task, range(TASKS)))
            rows.write(out, [])
        elif job == "word_count":
            in_two_steps(pool, count_words, add_words, bytes.split, inputs, out)
        else:
            in_two_steps(pool, deal_lines, sort_lines, bytes.splitlines, inputs, out)


if __name__ == "__main__":
    main()
