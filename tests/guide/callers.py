"""Run inside the private root, as some user: callers of qmail-queued that misbehave.

    callers.py MODE COUNT REFUSALS STATE

It connects COUNT times to run/queued, does what MODE says on each connection, waits for
REFUSALS answers and a little for more, writes a line to the file STATE, and holds the
connections until STATE is gone.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time

SOCKET = "/var/qmail/run/queued"
REFUSED_TEMPORARILY = 71
PIECE = b"\0\0\0\x0eSubject: half\n"
SENT = {
    "nothing": b"",
    "half": PIECE + b"\0\0\0\x10a piece that",
    "no-envelope": PIECE + b"\0\0\0\0",
    "half-envelope": PIECE + b"\0\0\0\0" + b"\0\0\0\x06Fdave\0",
    "garbage": bytes(range(256)) * 64,
}


def call(mode: str) -> socket.socket:
    """One connection that has sent what it will ever send."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    while True:
        try:
            connection.connect(SOCKET)
            break
        except BlockingIOError:
            time.sleep(0.001)  # its backlog is full
    try:
        connection.sendall(SENT[mode])
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused already
    return connection


def answers(connections: list[socket.socket], count: int) -> list[int]:
    """The exit codes that came: so many in a minute, and any more in a second."""
    codes: list[int] = []
    waiting = list(connections)
    deadline = time.monotonic() + 60
    while waiting:
        if len(codes) >= count:
            deadline = min(deadline, time.monotonic() + 1)
        left = max(deadline - time.monotonic(), 0)
        poll = select.poll()
        for connection in waiting:
            poll.register(connection, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(left * 1000)}
        if not ready:
            break
        for connection in [c for c in waiting if c.fileno() in ready]:
            waiting.remove(connection)
            try:
                data = connection.recv(4096)
            except ConnectionResetError:
                data = b""
            codes.append(data[4] if len(data) > 4 else -1)
    return codes


def main() -> None:
    """Call, tell, hold."""
    mode, count, refusals = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    state = sys.argv[4]
    connections = [call(mode) for _ in range(count)]
    codes = answers(connections, refusals)
    refused = codes.count(REFUSED_TEMPORARILY)
    with open(state + ".new", "w") as file:
        print(len(connections), refused, len(codes) - refused, file=file)
    os.rename(state + ".new", state)
    deadline = time.monotonic() + 300
    while os.path.exists(state) and time.monotonic() < deadline:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
