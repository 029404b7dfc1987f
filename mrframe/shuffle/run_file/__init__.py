"""Run files: their layout, writing and reading."""
