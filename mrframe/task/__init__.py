"""The work of one attempt: load the job, read a split, map, spill, reduce, write, report."""
