"""Reports of a task beside its output."""
