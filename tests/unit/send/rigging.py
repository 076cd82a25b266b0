"""A scheduler in this process, on a file system in memory."""

from __future__ import annotations

import errno
import os

import pytest

from qmail.control.maps import ConstMap
from qmail.queue import layout
from qmail.send.bounces import Bounces
from qmail.send.cleaner import CleanerLink
from qmail.send.controls import Controls
from qmail.send.log import Log
from qmail.send.preprocess import Preprocessor
from qmail.send.rewriting import Rewriter
from qmail.send.scheduler import Scheduler
from qmail.send.spawner import SpawnerLink
from tests.support.crashfs import CrashFs

DIRECTORIES = [
    *(b"%b/%d" % (kind, n) for kind in layout.SPLIT_KINDS for n in range(layout.SPLIT)),
    *(layout.PID_DIR, layout.INTD_DIR, layout.TODO_DIR, layout.BOUNCE_DIR),
]
QNUM = 457
NOW = 1_800_000_000


def make_controls(**changes: object) -> Controls:
    """Controls of a machine called here.example."""
    values: dict[str, object] = {
        "me": b"here.example",
        "lifetime": 604800,
        "concurrency": (10, 20),
        "bouncefrom": b"MAILER-DAEMON",
        "bouncehost": b"here.example",
        "doublebounceto": b"postmaster@here.example",
        "rewriter": Rewriter(
            ConstMap([b"here.example"]),
            ConstMap([b"v.example:vu"], colon=True),
            ConstMap([]),
            b"here.example",
        ),
    }
    return Controls(**(values | changes))  # type: ignore[arg-type]  # by name


class Submitted:
    """Stands in for Submission; what was accepted is in ``accepted``."""

    def __init__(self, accepted: list[bytes], verdict: bytes = b"") -> None:
        self.qp = 4242
        self._accepted = accepted
        self._verdict = verdict
        self._data = b""
        self._failed = False

    def put(self, data: bytes) -> None:
        self._data += data

    def fail(self) -> None:
        self._failed = True

    def sender(self, address: bytes) -> None:
        self._data += b"\n-- F" + address

    def recipient(self, address: bytes) -> None:
        self._data += b" T" + address

    def close(self) -> bytes:
        if self._failed or self._verdict:
            return self._verdict or b"Zfailed"
        self._accepted.append(self._data)
        return b""


class MemoryRig:
    """Everything of qmail-send but its loop; the test reads and writes the pipes."""

    def __init__(
        self,
        fs: CrashFs,
        limits: tuple[int, int] = (10, 20),
        controls: Controls | None = None,
    ) -> None:
        self.fs = fs
        self.controls = controls or make_controls()
        self.accepted: list[bytes] = []
        self.refusal = b""
        self._fds: list[int] = []
        log_read, log_write = self._pipe()
        os.set_blocking(log_read, False)
        self._log_read = log_read
        self._logged = b""
        self.log = Log(log_write)
        self.commands: list[int] = []
        self.reports: list[int] = []
        spawners = []
        for limit in limits:
            command_read, command_write = self._pipe()
            report_read, report_write = self._pipe()
            os.set_blocking(command_read, False)
            self.commands.append(command_read)
            self.reports.append(report_write)
            spawners.append(SpawnerLink(command_write, report_read, limit, self.log))
        self.spawners = (spawners[0], spawners[1])
        self.clean_read, clean_write = self._pipe()
        answer_read, self.clean_write = self._pipe()
        os.set_blocking(self.clean_read, False)
        self.cleaner = CleanerLink(self.log, clean_write, answer_read)
        self.bounces = Bounces(self.controls, self.log, fs, self._submit)  # type: ignore[arg-type]  # Submitted is one as far as bounces care
        self.scheduler = Scheduler(
            self.controls, self.spawners, self.cleaner, self.bounces, self.log, fs
        )
        self.preprocessor = Preprocessor(self.controls.rewriter, self.log, fs)

    def _submit(self) -> Submitted:
        return Submitted(self.accepted, self.refusal)

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._fds += ends
        return ends

    def close(self) -> None:
        """Close every pipe."""
        for fd in self._fds:
            os.close(fd)

    def lines(self) -> list[str]:
        """The log so far."""
        self.log.flush()
        self._logged += available(self._log_read)
        return self._logged.decode("latin-1").splitlines()

    def told(self, channel: int) -> list[list[bytes]]:
        """The commands a spawner has had: slot, message, sender, recipient."""
        data, found = available(self.commands[channel]), []
        while data:
            message, sender, recipient, rest = data[1:].split(b"\0", 3)
            found.append([data[:1], message, sender, recipient])
            data = rest
        return found

    def report(self, channel: int, slot: int, text: bytes) -> None:
        """A spawner's report arrives."""
        os.write(self.reports[channel], bytes([slot]) + text + b"\0")
        self.scheduler.receive(0 if channel == 0 else 1)

    def clean(self) -> list[bytes]:
        """Do what qmail-clean was asked to; the commands."""
        self.cleaner.flush()
        commands = available(self.clean_read).split(b"\0")[:-1]
        for command in commands:
            qnum = int(command.rpartition(b"/")[2])
            last = layout.mess(qnum) if command[:1] == b"f" else layout.todo(qnum)
            for path in (layout.intd(qnum), last):
                if self.fs.content(path) is not None:
                    self.fs.unlink(path)
            os.write(self.clean_write, b"+")
        if commands:
            self.cleaner.receive()
        return commands


def available(fd: int) -> bytes:
    """What can be read now."""
    try:
        return os.read(fd, 1 << 20)
    except BlockingIOError:
        return b""


def put(fs: CrashFs, path: bytes, data: bytes) -> None:
    """A file with that content."""
    fd = fs.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    fs.write(fd, data)
    fs.close(fd)


def fail_closes(fs: CrashFs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every close gives an error, and has closed all the same."""
    really = fs.close

    def close(fd: int) -> None:
        really(fd)
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(fs, "close", close)


def fail_syncs(fs: CrashFs, monkeypatch: pytest.MonkeyPatch, path: bytes) -> None:
    """No fsync of the file or directory of that name works any more."""
    really = fs.fsync

    def fsync(fd: int) -> None:
        try:
            if fs.fstat(fd).st_ino == fs.stat(path).st_ino:
                raise OSError(errno.EIO, "broken")
        except FileNotFoundError:
            pass
        really(fd)

    monkeypatch.setattr(fs, "fsync", fsync)


def preprocessed(fs: CrashFs, qnum: int = QNUM, **files: bytes) -> None:
    """A message in S5, on the disk; ``local=b"Ta@b\\0"`` and so on."""
    put(fs, layout.mess(qnum), b"\nhello\n")
    for kind, data in ({"info": b"Fjoe@far.example\0"} | files).items():
        put(fs, getattr(layout, kind)(qnum), data)
    fs.make_safe()
