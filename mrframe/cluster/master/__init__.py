"""The process that schedules."""
