"""The scheduler's state in memory, without decisions."""
