"""Reports of a task beside its output: failures, counters, rejected lines, progress."""
