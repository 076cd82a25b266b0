"""The loop of qmail-lspawn and qmail-rspawn: commands in, children, reports out.

Contract     runs in queue/mess; fd 0 commands, fd 1 the limit and then reports
             (records.py). A delivery is reported when its child has ended and nobody
             holds the pipe of its output any more. After end of file on 0 the running
             deliveries are finished; then the status is 0.
Child        gets the message and the pipe as descriptors, and arranges the rest itself.
Never dies   of what a child or qmail-send does. A system call that fails here defers
             one delivery.
"""

from __future__ import annotations

import posix
import select

from pytools.base import fds, signals
from pytools.process import chain, child
from qmail.spawn import reports
from qmail.spawn.records import (
    SPAWN_LIMIT,
    Command,
    CommandDecoder,
    encode_report,
    refusal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytools.process.resolver import Resolver

_FILE_TYPE = 0o170000
_REGULAR = 0o100000


class Kind:
    """What makes a spawner the local or the remote one.

    ``deliver`` is the child's work: (command, message descriptor, output descriptor).
    """

    __slots__ = ("deliver", "new_output", "report")

    def __init__(
        self,
        deliver: Callable[[Command, int, int], int],
        new_output: Callable[[], reports.Output],
        report: Callable[[int, bytes], bytes],
    ) -> None:
        self.deliver = deliver
        self.new_output = new_output
        self.report = report


class Delivery:
    """A child at work: its output has an end, and it has one, in either order."""

    __slots__ = ("number", "output", "pipe", "status")

    def __init__(self, number: int, pipe: int, output: reports.Output) -> None:
        self.number = number
        self.output = output
        self.pipe: int | None = pipe
        self.status: int | None = None


class Spawner:
    """The deliveries in progress, and the conversation about them."""

    __slots__ = (
        *("_commands", "_deliveries", "_kind", "_pids", "_pipes", "_poll"),
        *("_queue_uid", "_reading", "_resolver", "_writing"),
    )

    def __init__(
        self, kind: Kind, queue_uid: int, resolver: Resolver | None = None
    ) -> None:
        self._kind = kind
        self._queue_uid = queue_uid
        self._resolver = resolver
        self._commands = CommandDecoder()
        self._deliveries: dict[int, Delivery] = {}
        self._pids: dict[int, Delivery] = {}
        self._pipes: dict[int, Delivery] = {}
        self._poll = select.poll()
        self._reading = True
        self._writing = True

    def run(self) -> int:
        """Serve qmail-send to the end of its commands."""
        signals.ignore(signals.SIGPIPE)
        # COMPAT: the original's children start with SIGCHLD blocked, and so does every
        # program of a .qmail file. Ours start as any other process does.
        children = signals.SelfPipe([signals.SIGCHLD])
        self._say(b"%c" % SPAWN_LIMIT)
        self._poll.register(0, select.POLLIN)
        self._poll.register(children.fd, select.POLLIN)
        while self._reading or self._deliveries:
            for fd, _ in self._poll.poll():
                if fd == 0:
                    self._take_commands()
                elif fd == children.fd:
                    children.drain()
                    self._reap()
                else:
                    self._take_output(self._pipes[fd], fd)
        children.close()
        return 0

    def _take_commands(self) -> None:
        try:
            data = posix.read(0, fds.BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._reading = False
            self._poll.unregister(0)
            return
        self._commands.receive(data)
        while (command := self._commands.next_command()) is not None:
            self._start(command)

    def _start(self, command: Command) -> None:
        report = refusal(command, in_use=command.number in self._deliveries)
        if report is None:
            report = self._open_and_fork(command)
        if report is not None:
            self._say(encode_report(command.number, report))

    def _open_and_fork(self, command: Command) -> bytes | None:
        try:
            # O_NONBLOCK: what stands there may be a FIFO that nobody writes to.
            message = posix.open(
                command.messid, posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
            )
        except OSError:
            return reports.NO_OPEN
        try:
            return self._judge_file(message) or self._fork(command, message)
        finally:
            posix.close(message)

    def _judge_file(self, message: int) -> bytes | None:
        try:
            status = posix.fstat(message)
        except OSError:
            return reports.NO_FSTAT
        if status.st_mode & _FILE_TYPE != _REGULAR:
            return reports.WRONG_TYPE
        # SECURITY: qmail-send owns no message; one that the queue's user did not write
        # is nobody's to deliver, whoever put it there.
        if status.st_uid != self._queue_uid:
            return reports.WRONG_OWNER
        return None

    def _fork(self, command: Command, message: int) -> bytes | None:
        self._keep_resolver()
        try:
            pipe, output = fds.pipe()
        except OSError:
            return reports.NO_PIPE
        try:
            pid = child.fork(lambda: self._kind.deliver(command, message, output))
        except OSError:
            posix.close(pipe)
            return reports.NO_FORK
        finally:
            posix.close(output)
        delivery = Delivery(command.number, pipe, self._kind.new_output())
        self._deliveries[command.number] = delivery
        self._pids[pid] = delivery
        self._pipes[pipe] = delivery
        self._poll.register(pipe, select.POLLIN)
        return None

    def _take_output(self, delivery: Delivery, pipe: int) -> None:
        chunk = posix.read(pipe, fds.BLOCK)
        if chunk:
            delivery.output.add(chunk)
            return
        self._poll.unregister(pipe)
        posix.close(pipe)
        del self._pipes[pipe]
        delivery.pipe = None
        self._report_if_over(delivery)

    def _reap(self) -> None:
        for pid, status in child.reap():
            if self._resolver is not None and self._resolver.reaped(pid):
                self._keep_resolver()
                continue
            delivery = self._pids.pop(pid, None)
            if delivery is not None:
                delivery.status = status
                self._report_if_over(delivery)

    def _keep_resolver(self) -> None:
        """Have the resolver there, save a while after one that ended too soon."""
        if self._resolver is not None:
            try:
                self._resolver.restart()
            except OSError:
                pass

    def _report_if_over(self, delivery: Delivery) -> None:
        if delivery.pipe is not None or delivery.status is None:
            return
        del self._deliveries[delivery.number]
        report = self._kind.report(delivery.status, bytes(delivery.output.data))
        self._say(encode_report(delivery.number, report))

    def _say(self, data: bytes) -> None:
        if not self._writing:
            return
        try:
            fds.write_all(1, data)
        except OSError:
            # qmail-send is gone; what has begun is finished all the same. Descriptor 1
            # stays taken, so that no pipe of a delivery gets its number.
            self._writing = False
            try:
                fds.move(posix.open(b"/dev/null", posix.O_WRONLY | posix.O_CLOEXEC), 1)
            except OSError:
                pass


def hide_inherited() -> None:
    """Let no descriptor over 2 that this process was born with reach a delivery."""
    for fd in chain.open_descriptors():
        if fd > 2:
            try:
                fds.set_cloexec(fd)
            except OSError:
                pass
