"""Polars, lazy and streaming, two threads: lines and a regular expression. Bytes that are not UTF-8 are replaced."""

from __future__ import annotations

import os

os.environ["POLARS_MAX_THREADS"] = "2"  # read when it is imported

import polars
import rows

ANCHORED = f"^{rows.PATTERN}$"


def main():
    job, out, inputs = rows.arguments()
    lines = polars.scan_csv(
        inputs, has_header=False, separator="\x1f", quote_char=None, schema={"line": polars.String},
        encoding="utf8-lossy", truncate_ragged_lines=True,
    )  # fmt: skip
    line = polars.col("line")
    if job == "word_count":
        words = lines.select(line.str.split(" ").alias("word")).explode("word").filter(polars.col("word") != "")
        answer = words.group_by("word").len().sort("word")
        return answer.sink_csv(f"{out}/part-0", include_header=False, separator="\t", quote_style="never")
    if job == "sort":
        return lines.sort("line").sink_csv(f"{out}/part-0", include_header=False, quote_style="never")
    if job == "status_counts":
        status = line.str.extract(ANCHORED, rows.STATUS + 1).fill_null("malformed")
        answer = lines.select(status.alias("status")).group_by("status").len()
    else:
        groups = lines.select(line.str.extract_groups(ANCHORED).alias("groups"))
        field = polars.col("groups").struct
        if job == "visitors":
            visits = groups.select(
                field[rows.TIME].str.slice(0, rows.HOUR_CHARS).alias("hour"), field[rows.HOST].alias("host")
            )
            answer = (
                visits.filter(polars.col("host").is_not_null()).group_by("hour").agg(polars.col("host").n_unique())
            )
        else:
            hits = groups.select(field[rows.TARGET].alias("target"), field[rows.SIZE].alias("size"))
            hits = hits.filter(polars.col("target").is_not_null()).select(
                polars.col("target").str.split_exact("?", 1).struct[0].alias("path"),
                polars.col("size").str.to_integer(strict=False).fill_null(0),
            )
            table = hits.group_by("path").agg(polars.len().alias("hits"), polars.col("size").sum())
            answer = table.sort(["hits", "path"], descending=[True, False]).head(rows.TOP_ROWS)
    rows.write(out, answer.collect(engine="streaming").rows())
    return None


if __name__ == "__main__":
    main()
