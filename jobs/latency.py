"""How long did each service take? From JSON lines with the fields `service` and `ms`."""

from mrframe import Job, count, json_lines, largest, main, mean

job = Job(
    read=json_lines,
    key="service",
    value="ms",
    reduce={"requests": count, "mean_ms": mean, "slowest_ms": largest},
)


if __name__ == "__main__":
    main(job)
