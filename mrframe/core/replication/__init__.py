"""Block replication."""
