"""Many services, each twice: below the original supervise and below ours, told the same.

Pair         the same directory for both sides, the same commands, one chunk at a time;
             after each chunk both are looked at and must look the same.
Quiet        a side is looked at when it has nothing left to do: its FIFO is empty, and
             stays so after two more bytes that mean nothing (between the two, supervise
             has reaped what had ended); no signal is on its way to the service.
Differences  what differs is looked at again for some time before it counts.
Signals      most services run with every signal blocked, so that the kernel keeps the
             set of those that came, and the process lives on. Nothing has to run.
Speed        all pairs go their own way, so the second after each start costs little.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.conftest import CHECKOUT
from tests.support.services import command_line, read_status

BLOCKED = [signal.SIGHUP, signal.SIGINT, signal.SIGALRM, signal.SIGTERM, signal.SIGCONT]
BARRIER = b"ZZ"
DIFFERS_SECONDS = 15.0
"""A difference that lasts for so long is one: a side may have to wait for a processor."""
EXITING = 4
"""The kernel's PF_EXITING: a process that has taken its last signal."""
FORKS = """
import posix, sys
sys.path.insert(0, sys.argv[1])
from pytools.base import signals
from pytools.commands import supervise
from pytools.process import child
child.settle()
def start(line):
    blocked, directory = line.rstrip(b"\\n").split(b" ", 1)
    signals.set_mask(map(int, blocked.split(b",")) if blocked else ())
    posix.dup2(int(sys.argv[2]), 0)
    return supervise.main([b"supervise", directory])
for line in sys.stdin.buffer:
    child.fork(lambda: start(line))
while True:
    try:
        posix.wait()
    except ChildProcessError:
        break
"""

Script = Iterator[bytes]
"""Chunks of commands to send."""


class View(NamedTuple):
    """What is compared after each chunk."""

    guarded: bool
    up: bool
    paused: int
    want: bytes
    new_process: bool
    new_stamp: bool
    stopped: bool
    pending: str


class Side:
    """One supervise of a pair."""

    def __init__(self, service: Path, settles: bool) -> None:
        self.service = service
        self.settles = settles
        self.control = -1
        self._known: tuple[int, tuple[int, int]] = (-1, (0, 0))
        """The process and its stamp when the last chunk was sent."""
        self._seen = self._known
        self._asked_again = False

    def is_guarded(self) -> bool:
        """True while a supervise runs there."""
        try:
            os.close(
                os.open(self.service / "supervise/ok", os.O_WRONLY | os.O_NONBLOCK)
            )
        except OSError:
            return False
        return True

    def begin(self) -> bool:
        """True when commands can be sent."""
        if not self.is_guarded():
            return False
        # For reading too, to see how much has not been read yet.
        self.control = os.open(
            self.service / "supervise/control", os.O_RDWR | os.O_NONBLOCK
        )
        return True

    def send(self, chunk: bytes) -> None:
        os.write(self.control, chunk)
        self._asked_again = False

    def go_on(self, chunk: bytes) -> None:
        """Send a chunk; what is seen next is compared with what was seen last."""
        self._known = self._seen
        self.send(chunk)

    def look_anew(self) -> None:
        """Ask once more: supervise may have read what it was asked, and then ended."""
        self._asked_again = False

    def look(self) -> View | None:
        """What there is to see, None while something is still going on."""
        count = fcntl.ioctl(self.control, termios.FIONREAD, b"\0\0\0\0")
        guarded = True
        if struct.unpack("i", count)[0]:
            guarded = self.is_guarded()
            if guarded:
                return None
        elif not self._asked_again:
            self.send(BARRIER)
            self._asked_again = True
            return None
        view = self._view(guarded)
        if view is None:
            # Once more around the loop.
            self.send(BARRIER)
            self._asked_again = True
        return view

    def _view(self, guarded: bool) -> View | None:
        status = read_status(self.service)
        if not self.settles and status.want == b"u":
            return View(guarded, True, 0, b"u", True, True, False, "")
        if guarded and not status.pid and status.want == b"u":
            return None
        stopped, pending = False, 0
        if status.pid:
            found = _process(status.pid)
            if found is None:
                return None
            stopped, pending, blocked = found
            on_the_way = pending & ~blocked
            if pending & (1 << 8) or (on_the_way and not stopped):
                return None
        stamp = (status.seconds, status.nanoseconds)
        view = View(
            guarded,
            bool(status.pid),
            status.paused,
            status.want,
            status.pid != self._known[0],
            stamp != self._known[1],
            stopped,
            # A second STOP is left over, or not, as the first one was slow or fast.
            f"{pending & ~(1 << 18):x}",
        )
        self._seen = status.pid, stamp
        return view

    def end(self) -> None:
        """Have everything end, whatever its state."""
        if self.control >= 0:
            with suppress(OSError):
                os.write(self.control, b"dxck")


def _process(pid: int) -> tuple[bool, int, int] | None:
    """(stopped, pending signals, blocked signals) of a process that lives."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    if fields["State"][0] in "ZX" or int(stat[6]) & EXITING:
        return None
    pending = int(fields["SigPnd"], 16) | int(fields["ShdPnd"], 16)
    return fields["State"][0] == "T", pending, int(fields["SigBlk"], 16)


Choose = Callable[[View], Script]


class Pair:
    """One service on both sides, and what it is to be told.

    ``script`` gets a function that tells what the last look showed, and yields chunks.
    ``run``: a program, or "" for a service without ./run.
    """

    def __init__(
        self,
        name: str,
        script: Callable[[Callable[[], View]], Script],
        *,
        down: bool = False,
        blocked: bool = True,
        run: str = "/bin/cat",
    ) -> None:
        self.name = name
        self.down = down
        self.blocked = blocked
        self.run = run
        self.history = [b""]
        self.difference = ""
        self._differs_since = 0.0
        self.sides: list[Side] = []
        self._views: list[View | None] = []
        self._script = script(self._last)
        self.done = False

    def _last(self) -> View:
        assert self._views[0] is not None
        return self._views[0]

    def make(self, root: Path) -> None:
        """Make the two directories."""
        for side in ("originals", "ours"):
            service = root / side / self.name
            service.mkdir(parents=True)
            if self.run:
                (service / "run").symlink_to(self.run)
            if self.down:
                (service / "down").touch()
            self.sides.append(Side(service, settles=self.run == "/bin/cat"))
        self._views = [None, None]

    def step(self) -> None:
        """Do what can be done without waiting."""
        for number, side in enumerate(self.sides):
            if side.control < 0:
                if not side.begin():
                    return
                side.send(BARRIER)
            if self._views[number] is None:
                self._views[number] = side.look()
        theirs, ours = self._views
        if theirs is None or ours is None:
            return
        if theirs != ours:
            # One may have been seen between taking a signal and ending from it.
            self._differs_since = self._differs_since or time.monotonic()
            if time.monotonic() - self._differs_since < DIFFERS_SECONDS:
                self._views = [None, None]
                for side in self.sides:
                    side.look_anew()
                return
            self.difference = f"originals {theirs}, ours {ours}"
            self.done = True
            return
        self._differs_since = 0.0
        chunk = next(self._script, None)
        if chunk is None:
            self.done = True
            return
        self.history.append(chunk)
        self._views = [None, None]
        for side in self.sides:
            side.go_on(chunk)


def run_pairs(root: Path, originals: str, pairs: list[Pair], seconds: float) -> None:
    """Take every pair through its script; AssertionError for the first differences."""
    for pair in pairs:
        pair.make(root)
    os.mkfifo(root / "stdin")
    held = os.open(root / "stdin", os.O_RDWR)
    forks = _start_ours(root, held, pairs)
    theirs = [_start_theirs(pair, held, originals) for pair in pairs]
    try:
        deadline = time.monotonic() + seconds
        running = pairs
        while running and time.monotonic() < deadline:
            for pair in running:
                pair.step()
            running = [pair for pair in running if not pair.done]
            time.sleep(0.002)
        late = [f"{pair.name}: {pair.history[-3:]}" for pair in running]
        assert late == [], "not ready in time"
    finally:
        for pair in pairs:
            for side in pair.sides:
                side.end()
        try:
            forks.wait(60)
            for pid in theirs:
                os.waitpid(pid, 0)
        finally:
            forks.kill()
            os.close(held)
            for pair in pairs:
                for side in pair.sides:
                    _clear(side)
    different = [
        f"{pair.name}: {b' '.join(pair.history).decode()}: {pair.difference}"
        for pair in pairs
        if pair.difference
    ]
    if different:
        raise AssertionError("\n".join([f"{len(different)} differ", *different[:10]]))


def _clear(side: Side) -> None:
    if side.control >= 0:
        os.close(side.control)
    with suppress(OSError, AssertionError):
        pid = read_status(side.service).pid
        if pid and command_line(pid) == b"./run":
            os.kill(pid, signal.SIGKILL)


def _start_ours(root: Path, stdin: int, pairs: list[Pair]) -> subprocess.Popen[bytes]:
    with open(root / "ours.err", "wb") as errors:
        forks = subprocess.Popen(
            [sys.executable, "-ISB", "-c", FORKS, str(CHECKOUT), str(stdin)],
            stdin=subprocess.PIPE,
            stderr=errors,
            pass_fds=[stdin],
        )
    assert forks.stdin is not None
    with forks.stdin as orders:
        for pair in pairs:
            numbers = ",".join(str(int(n)) for n in BLOCKED) if pair.blocked else ""
            orders.write(f"{numbers} {pair.sides[1].service}\n".encode())
    return forks


def _start_theirs(pair: Pair, stdin: int, originals: str) -> int:
    return os.posix_spawn(
        f"{originals}/supervise",
        ["supervise", str(pair.sides[0].service)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, stdin, 0),
            (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
        ],
        setsigmask=BLOCKED if pair.blocked else [],
    )
