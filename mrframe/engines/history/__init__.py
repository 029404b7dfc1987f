"""The figures of a run, and the records that are kept of it."""
