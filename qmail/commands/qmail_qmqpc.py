"""qmail-qmqpc: give the message of descriptor 0, envelope on 1, to a QMQP server.

Contract     qmail-qmqpc(8): qmail-queue's interface. No output; the exit status is the
             verdict (qmail.queue.exitcodes).
Reads        control/qmqpservers.
Duplicates   the next server is tried for as long as the last one cannot have queued the
             message: it said so, or has not been sent the end of it.
Memory       message and envelope, a buffer each; the protocol wants the size first.
"""

from __future__ import annotations

import _socket
import errno
import posix

from pytools.base import fds, ip, limits, runtime, signals
from qmail.control import files
from qmail.mail.netstrings import ProtocolError
from qmail.qmqp import client
from qmail.queue import exitcodes
from qmail.queue.exitcodes import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

PORT: Final = 628
CONNECT_SECONDS: Final = 10
SILENCE_SECONDS: Final = 60

_CHUNK: Final = 32768
# Python waits with poll until its time limit, then says the socket would block.
_TIMEOUTS: Final = frozenset({errno.ETIMEDOUT, errno.EAGAIN, errno.EINPROGRESS})


class Later(Exception):
    """This server has not queued the message, and says or shows so with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def main(argv: list[bytes]) -> int:
    signals.ignore(signals.SIGPIPE)
    try:
        posix.chdir(runtime.home)
    except OSError:
        return exitcodes.HOME_TROUBLE
    try:
        servers = files.readfile(b"qmqpservers")
    except OSError:
        servers = None
    if servers is None:
        return exitcodes.NO_CONFIGURATION
    try:
        return hand_over(servers, *read())
    except Refused as refused:
        return refused.code
    except MemoryError:
        return exitcodes.NO_MEMORY


def read() -> tuple[bytearray, bytearray]:
    """The message, and its envelope as the protocol has it. Raises Refused."""
    left = limits.left()
    # A buffer that grows takes an eighth more than is put in.
    room = None if left is None else max(left - limits.RESERVE, 0) * 8 // 9
    message = bytearray()
    while data := _read(0, room, len(message)):
        message += data
    envelope = client.Envelope()
    try:
        while not envelope.complete:
            data = _read(1, room, len(message) + envelope.size)
            if not data:
                raise Refused(exitcodes.BAD_ENVELOPE)
            envelope.feed(data)
    except client.BadEnvelope:
        raise Refused(exitcodes.BAD_ENVELOPE) from None
    return message, envelope.encoded


def _read(fd: int, room: int | None, held: int) -> bytes:
    if room is not None and held > room:
        raise Refused(exitcodes.NO_MEMORY)
    try:
        return posix.read(fd, fds.BLOCK)
    except OSError:
        raise Refused(exitcodes.READ_ERROR) from None


def hand_over(servers: list[bytes], message: bytearray, envelope: bytearray) -> int:
    """The exit code of the first server that takes or refuses the message.

    COMPAT: the original ends with the first server that takes the connection. Where no
    server takes the message, the exit code is still what that one makes it.
    """
    request = client.request(message, envelope)
    unreached = exitcodes.NO_CONFIGURATION
    reached = 0
    for line in servers:
        address = parse_server(line)
        if address is None:
            continue
        try:
            connection = connect(address)
        except Later as failure:
            unreached = failure.code
            continue
        try:
            return converse(connection, request)
        except Later as failure:
            reached = reached or failure.code
        finally:
            connection.close()
    return reached or unreached


def parse_server(line: bytes) -> bytes | None:
    """The address of a line, of either family; None if there is none.

    COMPAT: what follows an IPv4 address is ignored. IPv6 is new. A number over 255 or of
    more than three digits is none; the original takes it modulo 256.
    """
    start = line[: len(line) - len(line.lstrip(b"0123456789."))]
    return ip.parse(line) or ip.parse_ip4(b".".join(start.split(b".")[:4]))


def connect(address: bytes) -> _socket.socket:
    """Connect. Raises Later; Refused when there is no socket to be had."""
    family = _socket.AF_INET if len(address) == 4 else _socket.AF_INET6
    try:
        sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            raise Later(exitcodes.CONNECT_REFUSED) from None
        raise Refused(exitcodes.NO_NETWORK) from None
    sock.settimeout(CONNECT_SECONDS)
    code = sock.connect_ex((ip.format_ip(address).decode(), PORT))
    if code:
        sock.close()
        timed_out = code in _TIMEOUTS
        raise Later(
            exitcodes.CONNECT_TIMEOUT if timed_out else exitcodes.CONNECT_REFUSED
        )
    sock.settimeout(SILENCE_SECONDS)
    return sock


def converse(connection: _socket.socket, request: tuple[bytes | bytearray, ...]) -> int:
    """Send the message and hear the answer; the exit code. Raises Later.

    INVARIANT: a send that fails has not sent the last byte, without which no server may
    queue anything. After that byte only an answer tells.
    """
    try:
        for part in request[:-1]:
            rest = memoryview(part)
            while rest:
                # What is small waits in the kernel for what follows.
                sent = connection.send(rest[:_CHUNK], _socket.MSG_MORE)
                rest = rest[sent:]
        connection.send(request[-1])
    except OSError:
        # COMPAT: the original does not look whether the server has said why.
        connection.settimeout(0)
        letter = hear(connection)
        if letter in (b"", client.QUEUED):
            raise Later(exitcodes.COMMUNICATION_FAILED) from None
    else:
        letter = hear(connection)
    if not letter:
        return exitcodes.COMMUNICATION_FAILED
    if letter == client.TEMPORARY:
        raise Later(exitcodes.REFUSED_TEMPORARILY)
    return (
        exitcodes.QUEUED if letter == client.QUEUED else exitcodes.REFUSED_PERMANENTLY
    )


def hear(connection: _socket.socket) -> bytes:
    """The letter of the server's answer; b"" if there is none in the socket's time."""
    reply = client.Reply()
    letter = b""
    try:
        while not letter:
            letter = reply.receive(connection.recv(_CHUNK))
    except (OSError, ProtocolError):
        return b""
    return letter
