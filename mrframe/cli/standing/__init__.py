"""The commands that talk to a standing cluster, one module for each."""
