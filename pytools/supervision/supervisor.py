"""supervise's loop: events in, one look at the table, actions out.

Events       bytes of supervise/control, the end of the process (SIGCHLD), and the time
             to try a failed start again. The table is in machine.py.
Promise      once it runs it ends only after ``x``, or killed. A system call that fails
             is a warning.
Memory       one such process a service: it imports nothing after it began, and keeps
             nothing but what is in ``Supervisor``.
"""

from __future__ import annotations

import posix
import select
import time

from pytools.base import signals, tai
from pytools.base.exits import Exit, Next
from pytools.process import child
from pytools.supervision import machine, status

TYPE_CHECKING = False
if TYPE_CHECKING:
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


class Supervisor:
    """The service of the current directory, from the first start to the end."""

    __slots__ = ("control", "files", "pid", "retry_at", "stamp", "state", "strerr")

    def __init__(self, files: ServiceFiles, strerr: Strerr, control: int) -> None:
        self.files = files
        self.strerr = strerr
        self.control = control
        self.pid = 0
        self.retry_at = 0.0
        self.stamp = b""
        self.state = machine.initial(wanted_up=False)[0]

    def begin(self, wanted_up: bool) -> None:
        """Write the first status, without a process."""
        want = machine.WANT_UP if wanted_up else machine.WANT_DOWN
        self.state = (machine.DOWN, want, False)
        self._note_change()
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
        signals.unblock((signals.SIGCHLD,))
        poll = select.poll()
        poll.register(pipe.fd, select.POLLIN)
        poll.register(self.control, select.POLLIN)

        self.state, actions = machine.initial(wanted_up)
        self._act(actions)
        while self.state[0] != machine.ENDED:
            poll.poll(self._patience())
            pipe.drain()
            for pid, _ in child.reap():
                if pid == self.pid:
                    self.pid = 0
                    self.handle(machine.EXITED)
            self._read_command()
            if self.state[0] == machine.BACKOFF and self._patience() == 0:
                self.handle(machine.RETRY)

    def handle(self, event: bytes) -> None:
        """One step of the machine."""
        self.state, actions = machine.TABLE[self.state][event]
        self._act(actions)

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

    def _patience(self) -> int | None:
        """Milliseconds until something is due, None for never."""
        if self.state[0] != machine.BACKOFF:
            return None
        return max(0, int((self.retry_at - time.monotonic()) * 1000))

    def _act(self, actions: tuple[str, ...]) -> None:
        for action in actions:
            if action in SIGNALS:
                self._signal(SIGNALS[action])
            elif action == machine.ANNOUNCE:
                self._announce()
            elif action == machine.STAMP:
                self._note_change()
            elif action == machine.START:
                self._start()
            elif action == machine.BACK_OFF:
                self.retry_at = time.monotonic() + RETRY_SECONDS

    def _start(self) -> None:
        try:
            self.pid = child.fork(self._become_run)
        except OSError as error:
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
        self._note_change()
        self._announce()
        # Commands wait meanwhile. COMPAT: so they do in the original, and a ``t`` after
        # a ``u`` finds a program that had a second to set itself up.
        time.sleep(START_PAUSE_SECONDS)

    def _become_run(self) -> NoReturn:
        raise Next([b"./run"], on_error=self._cannot_run)

    def _cannot_run(self, error: OSError) -> Exit:
        return self.strerr.fatal(
            b"unable to start ", self.files.name, b"/run", error=error
        )

    def _signal(self, number: int) -> None:
        try:
            posix.kill(self.pid, number)
        except OSError:
            # It may have become another user's; nothing to be done, as in the original.
            pass

    def _note_change(self) -> None:
        self.stamp = tai.pack(*divmod(time.time_ns(), 1_000_000_000))

    def _announce(self) -> None:
        phase, want, _ = self.state
        paused = phase == machine.PAUSED
        self.files.write_status(status.pack(self.stamp, self.pid, paused, want))
