"""TCP links between the nodes of a run and whom they connect to, each through a proxy that can fail.

A node asks for the port of its link (`seam/sitecustomize.py`, SEAM_PROXY) and connects to that. A link is from a node
to an address, whatever connections come and go on it. Faults:

cut       all connections are reset, and new ones too
swallow   half-open: connections stay, what is sent on them is lost; at the end they are reset
up, down  one-way: what comes from the node, or goes to it, waits until the end
"""

import contextlib
import socket
import struct
import threading

FAULTS = ("cut", "swallow", "up", "down")
RESET = struct.pack("ii", 1, 0)


class Link:
    """One of them."""

    def __init__(self, name, target):
        self.name, self._target = name, target
        self.passed_bytes = 0
        self._fault = ""
        self._pairs = []
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        _start(self._accept)

    @property
    def connected(self):
        return bool(self._pairs)

    def fail(self, fault):
        """Begin a fault, or with "" end it."""
        with self._changed:
            before, self._fault = self._fault, fault
            self._changed.notify_all()
        if fault == "cut" or before == "swallow":
            self._reset()

    def close(self):
        _end(self._listener)
        self.fail("")
        self._reset()

    def _reset(self):
        for pair in self._pairs[:]:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                here = self._listener.accept()[0]
            except OSError:
                return
            try:
                if self._fault == "cut":
                    raise ConnectionRefusedError
                there = socket.create_connection(self._target)
            except OSError:
                here.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                here.close()
                continue
            pair = (here, there)
            self._pairs.append(pair)
            left = [2]
            _start(self._pump, here, there, "up", pair, left)
            _start(self._pump, there, here, "down", pair, left)

    def _pump(self, source, sink, way, pair, left):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with self._changed:
                    while self._fault == way:
                        self._changed.wait()
                if self._fault != "swallow":
                    sink.sendall(data)
                    self.passed_bytes += len(data)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        left[0] -= 1
        if not left[0]:
            self._pairs.remove(pair)
            for end in pair:
                end.close()


class Links:
    """The links of one run, made as its nodes ask for them; a context manager."""

    def __init__(self):
        self._links = {}
        self._control = socket.create_server(("127.0.0.1", 0))
        self.port = self._control.getsockname()[1]
        _start(self._serve)

    def all(self):
        """Those that have a connection now."""
        return [link for _, link in sorted(self._links.items()) if link.connected]

    def _serve(self):
        while True:
            try:
                asked = self._control.accept()[0]
            except OSError:
                return
            with asked, asked.makefile("rw") as line:
                who, host, port = line.readline().split()
                key = (who, host, int(port))
                if key not in self._links:
                    self._links[key] = Link(who, key[1:])
                line.write(f"{self._links[key].port}\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _end(self._control)
        for link in self._links.values():
            link.close()


def _end(listener):
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # who accepts wakes up
    listener.close()


def _start(run, *args):
    threading.Thread(target=run, args=args, daemon=True).start()
