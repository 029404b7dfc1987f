"""The door of a listener: takes connections while descriptors are left, and shuts before they run out.

Anybody on this machine may connect, and libzmq accepts every connection before it checks a key. Without a bound,
connections that never say a word use up all descriptors of a process, and its own files cannot be opened. The
connection of a stranger ends with the time for its handshake (`transport.py`), so a shut door soon opens again.

How it works. The socket that listens is made here, and libzmq gets a duplicate. To shut, a filter is attached that
drops all packets to it (SO_ATTACH_FILTER, Linux). Connections that exist go on. Those that are being made are neither
accepted nor refused: the system of the peer tries again. (Unbinding the ZeroMQ socket would end its connections.)
Elsewhere than on Linux the door never shuts.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import struct
import sys

import zmq

from mrframe.store import open_files

BACKLOG = 32
"""Connections that the system completes before they are accepted: as many may come in after the door is shut."""
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_RETURN_0 = struct.pack("HBBI", 0x06, 0, 0, 0)  # a program of one instruction: take no byte of any packet


class Door:
    """A socket that listens on loopback, at a random port or that of an earlier process. OSError when it is taken."""

    def __init__(self, host: str, port: int = 0) -> None:
        self.is_open = True
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._socket.listen(BACKLOG)
        self._socket.setblocking(False)  # noqa: FBT003 -- as the function is
        self.address = f"tcp://{host}:{self._socket.getsockname()[1]}"
        self._soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        reserve = open_files.reserve(self._soft)
        self._shut_at, self._open_at = self._soft - reserve, self._soft - 2 * reserve
        open_files.relieve_by(self.shut)

    def attach(self, router: zmq.Socket[bytes]) -> None:
        """Have a ROUTER accept the connections. It owns its duplicate of the socket."""
        router.setsockopt(zmq.USE_FD, os.dup(self._socket.fileno()))
        router.bind(self.address)

    def check(self) -> None:
        """Shut when few descriptors are left, open when there are enough again. To be called a few times a second."""
        free = open_files.lowest_free()
        if self.is_open:
            if free is None or free >= self._shut_at:
                self.shut()
        elif free is not None and free < self._open_at:
            self._open()

    def shut(self) -> None:
        """Accept no more connections, and let this process use its reserve of descriptors."""
        if not self.is_open or sys.platform != "linux":
            return
        self.is_open = False
        program = ctypes.create_string_buffer(_RETURN_0)
        self._set(_SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        if hard != resource.RLIM_INFINITY:
            open_files.set_soft_limit(hard)

    def close(self) -> None:
        """Stop listening. The ROUTER closes its duplicate itself."""
        open_files.relieve_by(None)
        self._socket.close()

    def _open(self) -> None:
        self.is_open = True
        open_files.set_soft_limit(self._soft)
        self._set(_SO_DETACH_FILTER, struct.pack("i", 0))

    def _set(self, option: int, value: bytes) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, option, value)
