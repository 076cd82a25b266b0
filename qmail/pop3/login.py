"""A POP3 session up to its password, as qmail-popup sees it: AUTHORIZATION state.

    event     means                                     the caller
    REPLY     send ``data``                             goes on
    LOGIN     somebody says who he is                   has that checked
    QUIT      send ``data``                             hangs up

After LOGIN the session is over: whoever checks the password talks on.
"""

from __future__ import annotations

from qmail.pop3.lines import OK, CommandBuffer, LineTooLong, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MAX_LINE: Final = 1024
"""More than a name and a password may have together, which is 512 bytes."""
MAX_COMMANDS: Final = 100
"""COMPAT: the original answers as many as a stranger likes to send."""

REPLY: Final = b"reply"
LOGIN: Final = b"login"
QUIT: Final = b"quit"

SYNTAX: Final = error(b"syntax error")
WANT_USER: Final = error(b"USER first")
WANT_LOGIN: Final = error(b"authorization first")
TOO_LONG: Final = error(b"line too long")
TOO_MANY: Final = error(b"too many commands")


class Event:
    """What happened; ``data`` is the reply, or of LOGIN the name with ``password``."""

    __slots__ = ("data", "kind", "password")

    def __init__(self, kind: bytes, data: bytes, password: bytes = b"") -> None:
        self.kind = kind
        self.data = data
        self.password = password


class Session:
    """The dialogue after the greeting. ``timestamp`` is what APOP's digest is made of."""

    __slots__ = ("_buffer", "_left", "_user", "timestamp")

    def __init__(self, timestamp: bytes) -> None:
        self.timestamp = timestamp
        self._buffer = CommandBuffer(MAX_LINE)
        self._left = MAX_COMMANDS
        self._user: bytes | None = None

    def greet(self) -> bytes:
        """The line that opens the session."""
        return b"+OK %b\r\n" % self.timestamp

    def receive(self, data: bytes) -> None:
        """Take what came from the peer."""
        self._buffer.receive(data)

    def next_event(self) -> Event | None:
        """The next event; None: more bytes are needed."""
        try:
            command = self._buffer.next_command()
        except LineTooLong:
            return Event(QUIT, TOO_LONG)
        if command is None:
            return None
        if not self._left:
            return Event(QUIT, TOO_MANY)
        self._left -= 1
        return self._answer(*command)

    def _answer(self, word: bytes, argument: bytes) -> Event:
        if word == b"user":
            if not argument:
                return Event(REPLY, SYNTAX)
            self._user = argument
            return Event(REPLY, OK)
        if word == b"pass":
            return self._password(argument)
        if word == b"apop":
            user, space, digest = argument.partition(b" ")
            return Event(LOGIN, user, digest) if space else Event(REPLY, SYNTAX)
        if word == b"quit":
            return Event(QUIT, OK)
        return Event(REPLY, OK if word == b"noop" else WANT_LOGIN)

    def _password(self, argument: bytes) -> Event:
        if self._user is None:
            return Event(REPLY, WANT_USER)
        if not argument:
            return Event(REPLY, SYNTAX)
        return Event(LOGIN, self._user, argument)


def timestamp(pid: int, now: int, hostname: bytes) -> bytes:
    """``<pid.time@hostname>``: no two sessions have the same."""
    return b"<%d.%d@%b>" % (pid, now, hostname)
