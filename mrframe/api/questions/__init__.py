"""Questions about fields without a job file, and about the formats of logs."""
