"""PySpark's RDDs on two local cores: a Python function for each line."""

from __future__ import annotations

import os
import sys
from operator import add

os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

import rows
from pyspark import SparkConf, SparkContext


def main():
    job, out, inputs = rows.arguments()
    settings = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.memory": "4g"}
    spark = SparkContext(conf=SparkConf().setMaster("local[2]").setAppName(job).setAll(settings.items()))
    spark.setLogLevel("ERROR")
    spark.addPyFile(rows.__file__)
    lines = spark.textFile(",".join(inputs))
    if job == "status_counts":
        rows.write(out, lines.map(lambda line: (rows.status_of(line), 1)).reduceByKey(add).collect())
    elif job == "top_urls":
        hits = lines.map(rows.hit_of).filter(bool).reduceByKey(rows.add_pairs)
        best = hits.takeOrdered(rows.TOP_ROWS, key=lambda hit: (-hit[1][0], hit[0]))
        rows.write(out, rows.busiest(best))
    elif job == "visitors":
        visits = lines.map(rows.visit_of).filter(bool).distinct().map(lambda visit: (visit[0], 1))
        rows.write(out, visits.reduceByKey(add).collect())
    elif job == "word_count":
        counts = lines.flatMap(str.split).map(lambda word: (word, 1)).reduceByKey(add).sortByKey()
        rows.write(out, counts.toLocalIterator())
    elif job == "sort":
        ordered = lines.map(lambda line: (line, None)).sortByKey().keys()
        rows.write(out, ((line,) for line in ordered.toLocalIterator()))
    spark.stop()


if __name__ == "__main__":
    main()
