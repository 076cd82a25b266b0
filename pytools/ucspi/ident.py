"""Ask a client's host who it is that connected (RFC 1413).

The answer becomes $TCPREMOTEINFO. Nobody has to tell the truth here; no answer, an
answer too late and a refused connection are all "nothing known".
"""

from __future__ import annotations

import _socket
import time

from pytools.ucspi.address import is_ip6, with_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.ucspi.address import Address

IDENT_PORT = 113
LONGEST = 257
"""COMPAT: the original stops after this many bytes of an answer."""
BLANKS = b" \t\r"


class Answer:
    """What comes after the third colon of the answer's first line (pure)."""

    __slots__ = ("_colons", "_text")

    def __init__(self) -> None:
        self._text = b""
        self._colons = 3

    @property
    def text(self) -> bytes:
        """The answer; a NUL ends it, because no variable can hold one."""
        return self._text.partition(b"\0")[0]

    def receive(self, data: bytes) -> bool:
        """Take bytes of the peer; True when the answer is complete."""
        line, newline, _ = data.partition(b"\n")
        line = line.translate(None, BLANKS)
        while self._colons and line:
            _, colon, line = line.partition(b":")
            if colon:
                self._colons -= 1
        self._text = (self._text + line)[:LONGEST]
        return bool(newline) or len(self._text) == LONGEST


def ask(local: Address, remote: Address, seconds: int) -> bytes | None:
    """The remote host's word about the owner of a connection; None if it has none.

    The addresses are those of the connection, as its socket gives them; connecting and
    the conversation together may take ``seconds``.
    """
    family = _socket.AF_INET6 if is_ip6(remote) else _socket.AF_INET
    deadline = time.monotonic() + seconds
    answer = Answer()
    try:
        connection = _socket.socket(family, _socket.SOCK_STREAM, 0)
    except OSError:
        return None
    try:
        connection.bind(with_port(local, 0))
        connection.settimeout(seconds)
        connection.connect(with_port(remote, IDENT_PORT))
        _wait_no_longer_than(deadline, connection)
        connection.sendall(b"%d , %d\r\n" % (remote[1], local[1]))
        while chunk := connection.recv(512):
            if answer.receive(chunk):
                return answer.text
            _wait_no_longer_than(deadline, connection)
    except OSError:
        return None
    finally:
        connection.close()
    return None


def _wait_no_longer_than(deadline: float, connection: _socket.socket) -> None:
    connection.settimeout(max(deadline - time.monotonic(), 0.001))
