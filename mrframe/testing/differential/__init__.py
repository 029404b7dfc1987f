"""Random jobs, compared with a plain-Python reference."""
