"""Sockets, pipes, keys and processes: how the processes of a cluster talk."""
