"""Map tasks."""
