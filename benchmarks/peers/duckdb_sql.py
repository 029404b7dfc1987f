"""DuckDB, two threads: lines and a regular expression. With `--csv` its CSV reader, split at blanks and quotes.

Both drop lines that are not UTF-8, and the CSV reader repairs or drops malformed lines in its own way, so that
their answers on logs as they are may differ from the reference.
"""

from __future__ import annotations

import sys

import duckdb
import rows

LINES = (
    "read_csv($files, columns = {'line': 'VARCHAR'}, delim = '\x1f\x1e\x1d', quote = '', escape = '', "
    "header = false, auto_detect = false, strict_mode = false, null_padding = true, "
    "ignore_errors = true, max_line_size = 1000000)"
)
NAMES = ("host", "ident", "account", "time", "zone", "request", "status", "size", "referer", "agent")
FIELDS = (
    f"(SELECT * FROM read_csv($files, columns = {dict.fromkeys(NAMES, 'VARCHAR')}, delim = ' ', quote = '\"', "
    "escape = '\\', header = false, auto_detect = false, strict_mode = false, ignore_errors = true, "
    "max_line_size = 1000000) WHERE agent IS NOT NULL AND regexp_full_match(status, '[0-9]{3}') "
    "AND regexp_full_match(size, '[0-9]+|-'))"
)
ANCHORED = f"^{rows.PATTERN}$".replace("'", "''")


def by_csv(job):
    """The rows of a job over the fields that the CSV reader finds."""
    if job == "status_counts":
        return f"SELECT status, count(*) FROM {FIELDS} GROUP BY 1"
    if job == "visitors":
        return f"SELECT substr(time, 2, 14), count(DISTINCT host) FROM {FIELDS} GROUP BY 1"
    return hits(f"SELECT split_part(split_part(request, ' ', 2), '?', 1) AS path, size FROM {FIELDS}")


def by_pattern(job):
    """The rows of a job over whole lines."""
    if job == "status_counts":
        status = f"regexp_extract(line, '{ANCHORED}', {rows.STATUS + 1})"
        return f"SELECT CASE {status} WHEN '' THEN 'malformed' ELSE {status} END, count(*) FROM {LINES} GROUP BY 1"
    groups = "['host', 'i', 'a', 'time', 'm', 'target', 'p', 'status', 'size']"
    found = f"(SELECT regexp_extract(line, '{ANCHORED}', {groups}) AS r FROM {LINES})"
    if job == "visitors":
        return f"SELECT substr(r.time, 1, 14), count(DISTINCT r.host) FROM {found} WHERE r.host != '' GROUP BY 1"
    return hits(f"SELECT split_part(r.target, '?', 1) AS path, r.size AS size FROM {found} WHERE r.target != ''")


def hits(query):
    """The busiest paths of a query for path and size."""
    return (
        "SELECT path, count(*) AS hits, sum(coalesce(try_cast(size AS BIGINT), 0)) FROM "
        f"({query}) GROUP BY path ORDER BY hits DESC, path LIMIT {rows.TOP_ROWS}"
    )


def main():
    job, out, inputs = rows.arguments()
    inputs = [path for path in inputs if path != "--csv"]
    database = duckdb.connect()
    database.execute("SET threads = 2")
    database.execute(f"SET temp_directory = '{out}/.spill'")
    given = {"files": inputs}
    if job == "word_count":
        words = f"SELECT unnest(string_split(line, ' ')) AS word FROM {LINES}"
        query = f"SELECT word, count(*) FROM ({words}) WHERE word != '' GROUP BY word ORDER BY word"
        database.execute(f"COPY ({query}) TO '{out}/part-0' (HEADER false, DELIMITER '\t', QUOTE '')", given)
    elif job == "sort":
        query = f"SELECT line FROM {LINES} ORDER BY line"
        database.execute(f"COPY ({query}) TO '{out}/part-0' (HEADER false, DELIMITER '\x1f', QUOTE '')", given)
    else:
        rows.write(out, database.execute((by_csv if "--csv" in sys.argv else by_pattern)(job), given).fetchall())


if __name__ == "__main__":
    main()
