"""Log formats: from a server's format string to patterns."""
