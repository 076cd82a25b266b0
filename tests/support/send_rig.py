"""A queue, a real qmail-send on it, and the test as its spawners and qmail-clean.

Nothing runs by itself: ``pump`` moves bytes until its condition holds. What the spawners
say is decided by ``verdict``, from the recipient; by default all mail is delivered.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from qmail.queue import layout
from tests.support.envelopes import encode_todo

CHECKOUT = Path(__file__).resolve().parents[2]
CHANNELS = ("local", "remote")


class Attempt:
    """A delivery that a spawner has been told to make."""

    def __init__(self, channel: str, slot: int, fields: list[bytes]) -> None:
        self.channel = channel
        self.slot = slot
        self.message, self.sender, self.recipient = fields

    @property
    def qnum(self) -> int:
        """The message."""
        return int(self.message.partition(b"/")[2])


def make_queue(home: Path, controls: dict[str, str] | None = None) -> None:
    """An empty queue and the control files."""
    queue = home / "queue"
    for kind in ("mess", "info", "local", "remote"):
        for part in range(layout.SPLIT):
            (queue / kind / str(part)).mkdir(parents=True, exist_ok=True)
    for kind in ("intd", "todo", "bounce", "pid", "lock"):
        (queue / kind).mkdir(parents=True, exist_ok=True)
    (queue / "lock" / "sendmutex").touch()
    if not (queue / "lock" / "trigger").exists():
        os.mkfifo(queue / "lock" / "trigger")
    (home / "control").mkdir(exist_ok=True)
    for name, text in ({"me": "here.example\n"} | (controls or {})).items():
        (home / "control" / name).write_text(text)


def enqueue(
    home: Path, sender: bytes, recipients: list[bytes], text: bytes = b"\nhello\n"
) -> int:
    """What qmail-queue leaves: a message in S4, and the trigger pulled."""
    queue = home / "queue"
    new = queue / "pid" / "new"
    new.write_bytes(text)
    qnum = new.stat().st_ino
    new.rename(queue / os.fsdecode(layout.mess(qnum)))
    intd = queue / os.fsdecode(layout.intd(qnum))
    intd.write_bytes(encode_todo(500, 77, sender, recipients))
    os.link(intd, queue / os.fsdecode(layout.todo(qnum)))
    pull(home)
    return qnum


def pull(home: Path) -> None:
    """Pull the trigger."""
    try:
        fd = os.open(home / "queue/lock/trigger", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    os.write(fd, b"\0")
    os.close(fd)


class SendRig:
    """One run of qmail-send."""

    def __init__(
        self, home: Path, command: list[str] | None = None, limits: bytes = b"xx"
    ) -> None:
        self.home = home
        self.log = b""
        self.attempts: list[Attempt] = []
        """All deliveries asked for."""
        self.open: list[Attempt] = []
        """Those that have had no report."""
        self.cleaned: list[bytes] = []
        self.verdict: Callable[[Attempt], bytes | None] = lambda attempt: b"Kfine\n"
        self.clean_answer: Callable[[bytes], bytes | None] = self.really_clean
        self.status: int | None = None
        self._held = {2: b"", 4: b"", 6: b""}
        self._spawn(command or [*_ours()], limits)

    def _spawn(self, command: list[str], limits: bytes) -> None:
        # Numbers as they are in qmail-send; the other end of each is ours.
        self._ours: dict[int, int] = {}
        theirs: dict[int, int] = {}
        for number in range(7):
            read_end, write_end = (_high(fd) for fd in os.pipe())
            reads = number in (2, 4, 6)
            theirs[number] = read_end if reads else write_end
            self._ours[number] = write_end if reads else read_end
        os.write(self._ours[2], limits[:1])
        os.write(self._ours[4], limits[1:])
        env = os.environ | {
            "PYQMAIL_TEST_HOME": str(self.home),
            "PYTHONPATH": str(CHECKOUT),
        }
        env.pop("QMAILQUEUE", None)
        if (self.home / "queue-program").exists():
            env["QMAILQUEUE"] = str(self.home / "queue-program")
        self.pid = os.posix_spawn(
            command[0],
            command,
            env,
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, n) for n, fd in theirs.items()],
        )
        for fd in theirs.values():
            os.close(fd)

    def pump(
        self, condition: Callable[[], object], seconds: float = 20.0, what: str = ""
    ) -> None:
        """Carry messages to and fro until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}\n{self.log!r}")
            self.step(0.05)

    def step(self, seconds: float = 0.0) -> None:
        """Carry what there is."""
        sources = {self._ours[n]: n for n in (0, 1, 3, 5) if n in self._ours}
        ready, _, _ = select.select(list(sources), [], [], seconds)
        for fd in ready:
            data = os.read(fd, 65536)
            number = sources[fd]
            if not data:
                os.close(self._ours.pop(number))
            elif number == 0:
                self.log += data
            elif number == 5:
                self._clean(data)
            else:
                self._take(number, data)

    def _take(self, number: int, data: bytes) -> None:
        self._held[number + 1] += data
        while True:
            held = self._held[number + 1]
            fields = held[1:].split(b"\0", 3)
            if len(fields) < 4:
                break
            self._held[number + 1] = fields.pop()
            attempt = Attempt(CHANNELS[number // 2], held[0], fields)
            self.attempts.append(attempt)
            self.open.append(attempt)
            verdict = self.verdict(attempt)
            if verdict is not None:
                self.report(attempt, verdict)

    def report(self, attempt: Attempt, text: bytes) -> None:
        """Report on an open delivery."""
        self.open.remove(attempt)
        number = 2 if attempt.channel == "local" else 4
        self.say(number, bytes([attempt.slot]) + text + b"\0")

    def say(self, number: int, data: bytes) -> None:
        """Write raw bytes to one of qmail-send's reading descriptors."""
        try:
            os.write(self._ours[number], data)
        except BrokenPipeError:
            pass  # it was killed

    def hang_up(self, *numbers: int) -> None:
        """Close our ends of these descriptors."""
        for number in numbers:
            os.close(self._ours.pop(number))

    def _clean(self, data: bytes) -> None:
        *commands, self._held[6] = (self._held[6] + data).split(b"\0")
        for command in commands:
            self.cleaned.append(command)
            answer = self.clean_answer(command)
            if answer is not None:
                self.say(6, answer)

    def really_clean(self, command: bytes) -> bytes:
        """Do what qmail-clean does."""
        kind, _, digits = command.partition(b"/")
        qnum = int(digits)
        last = layout.mess(qnum) if kind == b"foop" else layout.todo(qnum)
        for path in (layout.intd(qnum), last):
            (self.home / "queue" / os.fsdecode(path)).unlink(missing_ok=True)
        return b"+"

    def signal(self, number: int) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and forget everything on the pipes."""
        self.signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """TERM, and serve to the end; the exit status."""
        self.signal(signal.SIGTERM)
        return self.finish()

    def finish(self) -> int:
        """Serve until the end; the exit status."""
        self.pump(lambda: 0 not in self._ours, what="end of qmail-send")
        self._wait()
        assert self.status is not None
        return self.status

    def close(self) -> None:
        """Leave nothing behind."""
        if self.status is None:
            self.kill()

    def _wait(self) -> None:
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        for fd in self._ours.values():
            os.close(fd)
        self._ours.clear()

    def lines(self) -> list[str]:
        """The log so far."""
        return self.log.decode("latin-1").splitlines()


def files(home: Path) -> set[str]:
    """Every file of messages in the queue."""
    queue = home / "queue"
    kinds = ("mess", "info", "local", "remote", "intd", "todo", "bounce")
    return {
        str(path.relative_to(queue))
        for kind in kinds
        for path in (queue / kind).rglob("*")
        if path.is_file()
    }


def _high(fd: int) -> int:
    """The same pipe end on a number that no contract uses, close-on-exec."""
    new = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(fd)
    return new


def _ours() -> list[str]:
    return [sys.executable, "-BXutf8", "-m", "pytools.process.launch", "qmail-send"]
