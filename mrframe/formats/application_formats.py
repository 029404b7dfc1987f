"""The formats of application logs that are known by name, as layouts of logging frameworks.

A new one is a row here. Not here: how a layout becomes a grammar (`grammar/layout.py`), and the formats of servers'
access logs (`named_formats.py`).
"""

from __future__ import annotations

import re

from mrframe.formats.named_formats import NamedFormat

_OFFSET = "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}"
APPLICATIONS: tuple[NamedFormat, ...] = (
    NamedFormat(
        "spring",
        "%d %5p %pid --- [%15t] %-40logger : %m%n",
        "2019-03-05 10:57:51.112  INFO 45469 --- [           main] o.a.c.core.StandardEngine       : Starting",
        "Spring Boot 1 and 2",
    ),
    NamedFormat(
        "spring_zoned",
        _OFFSET + " %5p %pid --- [%15t] %-40logger : %m%n",
        "2024-01-05T10:57:51.112+01:00  INFO 45469 --- [           main] o.a.c.core.StandardEngine    : Starting",
        "Spring Boot 3, whose times have a zone",
    ),
    NamedFormat(
        "zookeeper",
        "%d [myid:%X{myid}] - %-5p [%t] - %m%n",
        "2015-07-29 17:41:44,747 [myid:1] - INFO  [main:QuorumPeerConfig@101] - Reading configuration",
        "ZooKeeper; the thread has the class and the line of the source, too",
    ),
    NamedFormat(
        "zookeeper_plain",
        "%d - %-5p [%t] - %m%n",
        "2015-07-29 17:41:44,747 - INFO  [main:QuorumPeerConfig@101] - Reading configuration",
        "ZooKeeper without the identity of the server",
    ),
    NamedFormat(
        "logback",
        "%d [%t] %-5p %c - %m%n",
        "2015-09-01 18:14:37.123 [main] INFO  org.example.Server - started",
        "the usual layout of logback and log4j 2, with a date",
    ),
    NamedFormat(
        "log4j",
        "%d{ISO8601} %-5p [%t] %c: %m%n",
        "2015-09-01 18:14:37,123 INFO  [main] org.apache.hadoop.hbase.Server: started",
        "log4j with the thread: HBase, YARN, MapReduce tasks",
    ),
    NamedFormat(
        "hadoop",
        "%d{ISO8601} %-5p %c: %m%n",
        "2015-09-01 18:14:37,123 INFO org.apache.hadoop.hdfs.server.namenode.NameNode: STARTUP_MSG:",
        "log4j without the thread: daemons of Hadoop",
    ),
    NamedFormat(
        "spark",
        "%d{yy/MM/dd HH:mm:ss} %-5p %c: %m%n",
        "15/09/01 18:14:37 INFO SecurityManager: Changing view acls to: jane",
        "Spark, and clients of Hadoop on a console",
    ),
    NamedFormat(
        "kafka",
        "[%d] %p %m (%c)%n",
        "[2016-12-19 16:31:47,999] TRACE Controller 0 epoch 36 started (state.change.logger)",
        "Kafka; the logger stands behind the message",
    ),
    NamedFormat(
        "elasticsearch",
        "[%d][%-5p][%-25c] %m%n",
        "[2019-03-05T10:57:51,112][INFO ][o.e.n.Node               ] [node-1] started",
        "Elasticsearch and OpenSearch",
    ),
    NamedFormat(
        "tomcat",
        "%d{dd-MMM-yyyy HH:mm:ss.SSS} %p [%t] %c %m%n",
        "01-Sep-2015 18:14:37.123 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in 50 ms",
        "catalina.out of Tomcat since version 8",
    ),
    NamedFormat(
        "python",
        "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
        "2015-09-01 18:14:37,123 - example.server - INFO - started",
        "Python's logging, as its documentation has it",
    ),
    NamedFormat(
        "python_basic",
        "%(levelname)s:%(name)s:%(message)s",
        "WARNING:root:disk is nearly full",
        "Python's logging.basicConfig() as it comes; without a time",
    ),
    NamedFormat(
        "openstack",
        "%d %process %p %c %m%n",
        "2017-05-16 00:00:00.008 25746 INFO nova.osapi_compute.wsgi.server [-] status: 200",
        "OpenStack (oslo.log)",
    ),
    NamedFormat(
        "django_server",
        "[%d{dd/MMM/yyyy HH:mm:ss}] %m%n",
        '[01/Sep/2015 18:14:37] "GET /a HTTP/1.1" 200 12',
        "Django's runserver",
    ),
    NamedFormat(
        "level_first",
        "%-5p %d %m%n",
        "INFO 2015-09-01 18:14:37,123 views 4711 139872 saved",
        "level, time, any text: Django's verbose",
    ),
    NamedFormat(
        "leveled",
        "%d %-5p %m%n",
        "2015-09-01 18:14:37,123 INFO started",
        "time, level, any text",
    ),
    NamedFormat(
        "leveled_zoned",
        _OFFSET + " %-5p %m%n",
        "2015-09-01T18:14:37.123Z INFO started",
        "time with a zone, level, any text",
    ),
    NamedFormat(
        "bracketed",
        "%d [%-5p] %m%n",
        "2015-09-01 18:14:37,123 [INFO] started",
        "time, level in brackets, any text",
    ),
    NamedFormat(
        "bracketed_zoned",
        _OFFSET + " [%-5p] %m%n",
        "2019-05-10 12:00:00.123 +02:00 [INF] started",
        "time with a zone, level in brackets, any text: Serilog",
    ),
    NamedFormat(
        "log4j_date",
        "%d{DATE} %-5p %m%n",
        "01 Sep 2015 18:14:37,123 INFO started",
        "log4j's DATE, level, any text",
    ),
    NamedFormat(
        "go",
        "%d{yyyy/MM/dd HH:mm:ss} %m%n",
        "2009/11/10 23:00:00 listening on :8080",
        "Go's package log: time and text",
    ),
    NamedFormat("timed", "%d %m%n", "2015-09-01 18:14:37 started", "a time and any text"),
    NamedFormat("timed_zoned", _OFFSET + " %m%n", "2015-09-01T18:14:37Z started", "a time with a zone and any text"),
)
"""In the order in which they are preferred when several fit a file equally well."""

LAYOUTS = {known.name: known.string for known in APPLICATIONS}
_LAYOUT = re.compile(
    r"%[-.0-9]*(?:d|date|le|level)\b.*%[-.0-9]*(?:m|msg|message)(?: \(%\w+\))?(?:%n.*)?"  # the message comes last
    r"|.*%m%n|.*%\((?:asctime|message)\).*"
)


def is_layout(text: str) -> bool:
    """Return whether a format string is the layout of a logging framework, not a web server's format."""
    if "%{" in text:  # Apache's %{%d.%m.%Y}t
        return False
    return any(_LAYOUT.fullmatch(text, at) for at in range(len(text)) if text[at] == "%")
