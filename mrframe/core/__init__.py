"""Decisions as pure functions: values in, values out. Nothing here waits, reads a clock or opens a file."""
