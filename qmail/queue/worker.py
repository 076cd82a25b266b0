"""A worker of qmail-queued: takes connections from the acceptor, one at a time.

Descriptors  its channel to the acceptor, and the connection while it has one; both
             plain ints. End of file on the channel is the end of the worker.
Caller       is trusted in nothing: what it is called comes from the kernel, all that
             it sends is checked, and it may stop, vanish or dawdle at any byte.
"""

from __future__ import annotations

import posix
import select
import time
from _socket import MSG_NOSIGNAL

from pytools.base import signals
from qmail.queue import exitcodes, wire
from qmail.queue.enqueue import pid_names
from qmail.queue.exitcodes import Refused
from qmail.queue.handoff import DONE, receive_job
from qmail.queue.intake import Intake, received_line
from qmail.queue.trigger import pull_trigger

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Iterator
    from typing import Final

    from pytools.base.exits import Strerr
    from qmail.queue.config import Config

_CHUNK: Final = 131072
_HANGUP: Final = select.POLLHUP | select.POLLERR | select.POLLRDHUP
_UMASK: Final = 0o033

_IGNORED: Final = (
    *(signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGTERM),
    *(signals.SIGPIPE, signals.SIGALRM, signals.SIGUSR1, signals.SIGUSR2),
    signals.SIGXFSZ,
)


class CallerGone(Exception):
    """The caller closed the connection before its message was complete."""


def prepare() -> None:
    """Make the process one that takes messages."""
    # TERM: a message that has begun is finished; the end of the acceptor is what ends
    # a worker. PIPE and XFSZ: the write says so, and the caller gets an exit code.
    for number in _IGNORED:
        signals.ignore(number)
    posix.umask(_UMASK)


class Connection:
    """One caller: its bytes, in time or not at all."""

    __slots__ = ("_deadline", "_poll", "fd")

    def __init__(self, fd: int, seconds: int) -> None:
        self.fd = fd
        self._deadline = time.monotonic() + seconds
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN | select.POLLRDHUP)

    def receive(self) -> bytes:
        """Wait for bytes. Refused 52 when the time is over, CallerGone at the end."""
        left = self._deadline - time.monotonic()
        if left <= 0 or not self._poll.poll(int(left * 1000) + 1):
            raise Refused(exitcodes.TIMEOUT)
        try:
            data = posix.read(self.fd, _CHUNK)
        except OSError:
            raise CallerGone from None
        if not data:
            raise CallerGone
        return data

    def confirm(self) -> None:
        """Right before the commit: the caller is still there, and in time."""
        # The cleaner takes files of 36 hours away; INVARIANT: nothing older than
        # WRITER_SECONDS is ever published.
        if time.monotonic() > self._deadline:
            raise Refused(exitcodes.TIMEOUT)
        for _, event in self._poll.poll(0):
            if event & _HANGUP:
                raise CallerGone


def is_full(config: Config, queue: bytes = b".") -> bool:
    """True while the queue's file system has hardly any room left."""
    try:
        room = posix.statvfs(queue)
    except OSError:
        return False  # whatever is wrong shows at the first file
    part = room.f_blocks // config.free_part * room.f_frsize
    if room.f_bavail * room.f_frsize < min(config.free_bytes, part):
        return True
    # Some file systems have no such limit and say 0 of 0.
    part = room.f_files // config.free_part
    return room.f_favail < min(config.free_inodes, part)


def take_message(
    fd: int, uid: int, number: int, config: Config, names: Iterator[bytes]
) -> wire.Answer | None:
    """Queue the message of the connection; None if the caller went away."""
    connection = Connection(fd, config.seconds_for(uid))
    received = received_line(number, uid, config.ids, int(time.time()))
    intake = Intake(uid, number, received, names, lambda: is_full(config))
    code = exitcodes.QUEUED
    try:
        _enter_queue(config)
        _take(connection, intake)
    except CallerGone:
        intake.entry.abandon()
        return None
    except Refused as refused:
        code = refused.code
    except MemoryError:
        code = exitcodes.NO_MEMORY
    if code != exitcodes.QUEUED:
        intake.entry.abandon()
    return wire.Answer(code, number)


def say(fd: int, answer: wire.Answer | None) -> None:
    """Tell the caller, if it is still there to hear it."""
    if answer is not None:
        try:
            posix.write(fd, wire.encode_answer(answer))
        except OSError:
            pass


def _enter_queue(config: Config) -> None:
    # For each message anew: the operator may have moved the queue away and put another
    # in its place, and a message must not go to where nobody looks any more.
    try:
        posix.chdir(config.home)
    except OSError:
        raise Refused(exitcodes.HOME_TROUBLE) from None
    try:
        posix.chdir(b"queue")
    except OSError:
        raise Refused(exitcodes.QUEUE_TROUBLE) from None


def _take(connection: Connection, intake: Intake) -> None:
    decoder = wire.Decoder()
    while True:
        for kind, data in decoder.feed(connection.receive()):
            if kind == wire.MESSAGE:
                intake.message(data)
            elif kind == wire.MESSAGE_END:
                intake.end_message()
            elif kind == wire.ENVELOPE:
                intake.envelope(data)
            else:
                intake.end_envelope()
                connection.confirm()
                intake.commit()
                pull_trigger()
                return


def run(channel: _socket.socket, config: Config, log: Strerr) -> int:
    """Serve what comes over the channel until its end; the worker's exit status.

    Exit when it can take no connection: another worker may fare better.
    """
    prepare()
    names = pid_names(posix.getpid())
    while True:
        try:
            job = receive_job(channel)
        except OSError as error:
            raise log.fatal(
                b"worker: unable to take a connection", error=error
            ) from None
        if job is None:
            break
        fd, uid, number = job
        answer = take_message(fd, uid, number, config, names)
        # Before the answer: a caller that has it and comes again at once must find its
        # slot and this worker free. The answer fits into any socket's buffer.
        free = _send_done(channel)
        say(fd, answer)
        posix.close(fd)
        if not free:
            break
    return 0


def _send_done(channel: _socket.socket) -> bool:
    """False when the acceptor has ended."""
    try:
        channel.send(DONE, MSG_NOSIGNAL)
    except OSError:
        return False
    return True
