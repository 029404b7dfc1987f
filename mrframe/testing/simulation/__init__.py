"""The real scheduler and nodes in virtual time, with faults."""
