"""The command line with which a small client has tcpclient connect for it.

tcpclient is found on $PATH, as any program, so that one put before it is used. What
copies behind it is the system's cat: a process that need not be an interpreter.
"""

from __future__ import annotations

HERE = b"0"
OPTIONS = b"-RHl0"
RECEIVE = [b"sh", b"-c", b"exec cat <&6"]
SEND_AND_RECEIVE = [b"sh", b"-c", b"cat >&7; exec cat <&6"]


def tcpclient(argv: list[bytes], port: bytes, program: list[bytes]) -> list[bytes]:
    """The command that runs ``program`` connected to the host and port of ``argv``."""
    host, port = [*argv[1:3], *(HERE, port)[len(argv[1:3]) :]]
    return [b"tcpclient", OPTIONS, b"--", host, port, *program]
