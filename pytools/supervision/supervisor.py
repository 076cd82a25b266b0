"""supervise's loop: events in, one look at the table, actions out.

Events       bytes of supervise/control, the end of the process or of ./finish (SIGCHLD),
             a line on the readiness descriptor, and a time that has come. The table is
             in machine.py.
Promise      once it runs it ends only after ``x``, or killed. A system call that fails
             is a warning.
Memory       one such process a service: it imports nothing after it began, and keeps
             nothing but what is in ``Supervisor``.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base import fds, signals, tai
from pytools.base.exits import Exit, Next
from pytools.process import child
from pytools.supervision import last, machine, status
from pytools.supervision.notice import Notice, open_notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from pytools.base.exits import Strerr
    from pytools.supervision.service import ServiceFiles

START_PAUSE_SECONDS = 1
"""After each start, so that a run that ends at once does not loop too fast."""
RETRY_SECONDS = 60

SIGNALS = {
    machine.SEND_HUP: signals.SIGHUP,
    machine.SEND_ALRM: signals.SIGALRM,
    machine.SEND_INT: signals.SIGINT,
    machine.SEND_TERM: signals.SIGTERM,
    machine.SEND_KILL: signals.SIGKILL,
    machine.SEND_STOP: signals.SIGSTOP,
    machine.SEND_CONT: signals.SIGCONT,
}


def now() -> bytes:
    """The time, as status and last have it."""
    return tai.pack(*divmod(time.time_ns(), 1_000_000_000))


class Supervisor:
    """The service of the current directory, from the first start to the end.

    ``pid`` and ``finish_pid`` are 0 without a process, ``due`` is the time of the event
    DUE, 0.0 for never.
    """

    __slots__ = (
        *("control", "due", "files", "finish_pid", "last", "notice", "pid", "poll"),
        *("stamp", "state", "strerr"),
    )

    def __init__(self, files: ServiceFiles, strerr: Strerr, control: int) -> None:
        self.files = files
        self.strerr = strerr
        self.control = control
        self.pid = 0
        self.finish_pid = 0
        self.due = 0.0
        self.stamp = b""
        self.last = last.Last()
        self.poll = select.poll()
        self.notice: Notice | None = None
        self.state = machine.initial(wanted_up=False)[0]

    def begin(self, wanted_up: bool) -> None:
        """Write the first status, without a process."""
        want = machine.WANT_UP if wanted_up else machine.WANT_DOWN
        self.state = (machine.DOWN, want, False)
        self.files.forget_last()
        self.stamp = now()
        self._announce()

    def run(self, wanted_up: bool) -> None:
        """Supervise until the end of all wishes."""
        # A SIGPIPE would come from a warning that nobody reads any more.
        # COMPAT: the original dies of it.
        try:
            pipe = signals.SelfPipe((signals.SIGCHLD, signals.SIGPIPE))
        except OSError as error:
            raise self.strerr.fatal(
                b"unable to create pipe for ", self.files.name, error=error
            ) from None
        self.poll.register(pipe.fd, select.POLLIN)
        self.poll.register(self.control, select.POLLIN)

        self.state, actions = machine.initial(wanted_up)
        self._act(actions)
        while self.state[0] != machine.ENDED:
            self.poll.poll(self._patience())
            pipe.drain()
            for pid, wait_status in child.reap():
                self._bury(pid, wait_status)
            if self.notice is not None:
                self._read_notice(self.notice)
            self._read_command()
            if self.due and self._patience() == 0:
                self.due = 0.0
                self.handle(machine.DUE)

    def handle(self, event: bytes) -> None:
        """One step of the machine."""
        self.state, actions = machine.TABLE[self.state][event]
        self._act(actions)

    def _bury(self, pid: int, wait_status: int) -> None:
        if pid == self.pid:
            self.pid = 0
            self._close_notice()
            self.stamp = now()
            self.last.note_end(self.stamp, wait_status)
            has_finish = self.files.has_finish()
            self.handle(machine.TO_FINISH if has_finish else machine.EXITED)
        elif pid == self.finish_pid:
            self._end_finish()

    def _read_command(self) -> None:
        # One at a time, as the original: what a command starts comes before the next.
        if self.state[0] == machine.ENDED:
            return
        try:
            command = posix.read(self.control, 1)
        except BlockingIOError:
            return
        if command in machine.COMMANDS:
            self.handle(command)

    def _read_notice(self, notice: Notice) -> None:
        if notice.read() and not self.last.ready:
            self.handle(machine.READY)
        if notice.is_over:
            self._close_notice()

    def _close_notice(self) -> None:
        if self.notice is not None:
            self.notice.close()
            self.notice = None

    def _patience(self) -> int | None:
        """Milliseconds until something is due, None for never."""
        if not self.due:
            return None
        return max(0, int((self.due - time.monotonic()) * 1000))

    def _act(self, actions: tuple[str, ...]) -> None:
        for action in actions:
            if action in SIGNALS:
                self._signal(SIGNALS[action])
            else:
                DOING[action](self)

    def _start(self) -> None:
        self.due = 0.0
        number = self.files.notification_number()
        try:
            self.pid = self._fork_run(number)
        except OSError as error:
            self._close_notice()
            self.strerr.warn(
                *(
                    b"unable to fork for ",
                    self.files.name,
                    b", trying again in 60 seconds",
                ),
                error=error,
            )
            self.handle(machine.START_FAILED)
            return
        self.stamp = now()
        self.last.note_start(self.stamp, tells=number is not None)
        self._record()
        self._announce()
        self._pause()

    def _fork_run(self, number: int | None) -> int:
        if number is None:
            return child.fork(self._become_run)
        write_end, self.notice = open_notice(self.poll)
        try:
            return child.fork(lambda: self._become_run_that_tells(write_end, number))
        finally:
            posix.close(write_end)

    def _pause(self) -> None:
        # Commands wait meanwhile. COMPAT: so they do in the original, and a ``t`` after
        # a ``u`` finds a program that had a second to set itself up.
        # PERF: most services have no notice; what they run touches few pages.
        if self.notice is None:
            time.sleep(START_PAUSE_SECONDS)
            return
        until = time.monotonic() + START_PAUSE_SECONDS
        while self.notice is not None and self.notice.comes_before(until):
            self._read_notice(self.notice)
        time.sleep(max(0.0, until - time.monotonic()))

    def _start_finish(self) -> None:
        limit = self.files.finish_limit()
        try:
            self.finish_pid = child.fork(self._become_finish)
        except OSError as error:
            self.strerr.warn(
                b"unable to fork for ", self.files.name, b"/finish", error=error
            )
            self._end_finish()
            return
        if limit:
            self.due = time.monotonic() + limit / 1000

    def _end_finish(self) -> None:
        self.finish_pid, self.due = 0, 0.0
        self.handle(machine.FINISHED)

    def _kill_finish(self) -> None:
        self.strerr.warn(self.files.name, b"/finish takes too long, so it is killed")
        try:
            posix.kill(self.finish_pid, signals.SIGKILL)
        except OSError:
            # It may have become another user's, or just ended.
            pass

    def _become_run(self) -> NoReturn:
        raise Next([b"./run"], on_error=self._cannot_start(b"/run"))

    def _become_run_that_tells(self, write_end: int, number: int) -> NoReturn:
        try:
            fds.copy(write_end, number)
        except OSError as error:
            raise self._cannot_start(b"/run")(error) from None
        self._become_run()

    def _become_finish(self) -> NoReturn:
        arguments = self.last.finish_arguments()
        raise Next([b"./finish", *arguments], on_error=self._cannot_start(b"/finish"))

    def _cannot_start(self, program: bytes) -> Callable[[OSError], Exit]:
        return lambda error: self.strerr.fatal(
            b"unable to start ", self.files.name, program, error=error
        )

    def _signal(self, number: int) -> None:
        try:
            posix.kill(self.pid, number)
        except OSError:
            # It may have become another user's; nothing to be done, as in the original.
            pass

    def _back_off(self) -> None:
        self.due = time.monotonic() + RETRY_SECONDS

    def _note_ready(self) -> None:
        self.last.ready = now()

    def _record(self) -> None:
        self.last.finishing = self.state[0] in (machine.FINISHING, machine.ONCE_MORE)
        self.files.write_last(self.last.pack())

    def _announce(self) -> None:
        phase, want, _ = self.state
        paused = phase == machine.PAUSED
        self.files.write_status(status.pack(self.stamp, self.pid, paused, want))


DOING: dict[str, Callable[[Supervisor], None]] = {
    machine.START: Supervisor._start,
    machine.START_FINISH: Supervisor._start_finish,
    machine.KILL_FINISH: Supervisor._kill_finish,
    machine.BACK_OFF: Supervisor._back_off,
    machine.NOTE_READY: Supervisor._note_ready,
    machine.RECORD: Supervisor._record,
    machine.ANNOUNCE: Supervisor._announce,
}
"""What carries each action out; the others are signals."""
