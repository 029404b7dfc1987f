"""The decisions of a node."""
