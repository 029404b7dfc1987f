"""MapReduce for people who analyse logs."""
