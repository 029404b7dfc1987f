"""Processes and sockets: the only room that imports zmq."""
