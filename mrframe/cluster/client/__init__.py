"""The client of a cluster and the processes that it starts."""
