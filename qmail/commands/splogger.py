"""splogger: send lines to syslog.

Contract     splogger [ tag [ facility ] ]; each line of descriptor 0 becomes a message
             ``tag: seconds.microseconds line``. ``alert:`` and ``warning:`` at its start
             choose the priority. A line is cut after 799 bytes, and what follows comes
             in messages with ``+`` after the time; bytes outside 32..126 become ``?``.
Loss         as with syslog(3): where nobody listens on /dev/log, messages are dropped.
Exit         0 at end of file.
"""

from __future__ import annotations

import _socket
import errno
import posix
import time

from pytools.base import fds
from pytools.base.options import scan_ulong

DEFAULT_TAG = b"splogger"
LOG_USER = 1
LOG_MAIL = 2
MAX_FACILITY = 127
ALERT, WARNING, INFO = 1, 4, 6
CHUNK = 799
DEV_LOG = b"/dev/log"
PRINTABLE = bytes(byte if 32 <= byte <= 126 else ord("?") for byte in range(256))
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def main(argv: list[bytes]) -> int:
    """Send until end of file."""
    tag = argv[1] if len(argv) > 1 else DEFAULT_TAG
    facility = parse_facility(argv[2]) if len(argv) > 2 else LOG_MAIL
    messages = Messages(tag, facility)
    log = Syslog(DEV_LOG)
    while True:
        try:
            block = posix.read(0, fds.BLOCK)
        except OSError:
            block = b""
        for message in messages.feed(block, time.time_ns()):
            log.send(message)
        if not block:
            return 0


def parse_facility(argument: bytes) -> int:
    """The number; what syslog(3) would not take is its default, user.

    COMPAT: so is 0, the kernel's, which C libraries of today let through.
    """
    facility, _ = scan_ulong(argument)
    return facility if 0 < facility <= MAX_FACILITY else LOG_USER


class Messages:
    """Makes syslog messages out of the input."""

    __slots__ = ("_facility", "_held", "_priority", "_stamp", "_tag")

    def __init__(self, tag: bytes, facility: int) -> None:
        self._tag = tag
        self._facility = facility
        self._held = b""
        # Empty at the beginning of a line; else the time the line's messages carry.
        self._stamp = b""
        self._priority = INFO

    def feed(self, block: bytes, now: int) -> list[bytes]:
        """The messages that are complete; b"" is end of file.

        COMPAT: a last line without newline is sent; the original forgets it.
        """
        *whole, rest = (self._held + block).split(b"\n")
        messages: list[bytes] = []
        for line in whole:
            if line:
                self._cut(line, 0, now, messages)
            self._stamp = b""
        # One more byte decides whether a chunk that is just full is the line's last.
        self._held = self._cut(rest, CHUNK if block else 0, now, messages)
        return messages

    def _cut(self, line: bytes, keep: int, now: int, messages: list[bytes]) -> bytes:
        """Append the line's messages while it is longer than ``keep``; what is left."""
        at = 0
        while len(line) - at > keep:
            messages.append(self._message(line[at : at + CHUNK], now))
            at += CHUNK
        return line[at:]

    def _message(self, chunk: bytes, now: int) -> bytes:
        mark = b"+"
        if not self._stamp:
            mark = b" "
            self._stamp = b"%d.%06d" % (now // 10**9, now % 10**9 // 1000)
            self._priority = priority_of(chunk)
        t = time.localtime(now // 10**9)
        return b"<%d>%b %2d %02d:%02d:%02d %b: %b%b%b" % (
            self._facility << 3 | self._priority,
            MONTHS[t.tm_mon - 1],
            *(t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec),
            *(self._tag, self._stamp, mark, chunk.translate(PRINTABLE)),
        )


def priority_of(line: bytes) -> int:
    """What the line itself says of its weight."""
    if line.startswith(b"alert:"):
        return ALERT
    return WARNING if line.startswith(b"warning:") else INFO


class Syslog:
    """The system's log socket: a datagram socket, or a stream with NUL after each."""

    __slots__ = ("_path", "_socket", "_stream")

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._socket: _socket.socket | None = None
        self._stream = False

    def send(self, message: bytes) -> None:
        """Send one message; once more after connecting anew; then it is dropped."""
        for _ in range(2):
            if self._socket is None and not self._connect():
                return
            if self._socket is not None and self._try(self._socket, message):
                return

    def _try(self, connected: _socket.socket, message: bytes) -> bool:
        try:
            if self._stream:
                connected.sendall(message + b"\0", _socket.MSG_NOSIGNAL)
            else:
                connected.send(message, _socket.MSG_NOSIGNAL)
        except OSError:
            connected.close()
            self._socket = None
            return False
        return True

    def _connect(self) -> bool:
        for kind in (_socket.SOCK_DGRAM, _socket.SOCK_STREAM):
            fresh = _socket.socket(_socket.AF_UNIX, kind | _socket.SOCK_CLOEXEC)
            try:
                fresh.connect(self._path)
            except OSError as error:
                fresh.close()
                if error.errno == errno.EPROTOTYPE:
                    continue
                return False
            self._socket = fresh
            self._stream = kind == _socket.SOCK_STREAM
            return True
        return False
