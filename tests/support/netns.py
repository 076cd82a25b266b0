"""A network of this process's own: a loopback interface, nothing else, every port free.

Whatever the process starts inside the with statement lives in that network too.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

from tests.conftest import cannot_run

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Leave the machine's network, and come back."""
    if os.geteuid() != 0:
        cannot_run("needs root for a network namespace")
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before:
        if libc.unshare(CLONE_NEWNET):
            cannot_run(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            with socket.socket() as any_socket:
                up = struct.pack("16sh14x", b"lo", IFF_UP)
                fcntl.ioctl(any_socket, SIOCSIFFLAGS, up)
            yield
        finally:
            if libc.setns(before.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
