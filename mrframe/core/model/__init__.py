"""Plain values that cross processes or lie in the journal."""
