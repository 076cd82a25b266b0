"""A qmail home with a queue, and a qmail-queued of its own, for tests of real processes.

Started by root, the server runs as nobody and the test may call it as any uid; started
by anybody else, everything has one uid.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytools.base import accounts, runtime
from pytools.base.environment import environ
from pytools.base.exits import Strerr
from pytools.process import child
from qmail.commands.qmail_queued import serve
from qmail.control.ids import Ids
from qmail.queue import layout, wire
from qmail.queue.config import Config
from qmail.queue.inject import Submission
from tests.support.until import until

ROOT = os.geteuid() == 0
SERVER = 65534 if ROOT else os.geteuid()
ALIAS, QMAILD, QMAILS, USER, OTHER = 60001, 60002, 60008, 60100, 60101


def make_queue(queue: str) -> None:
    """The directories of a queue, and its trigger."""
    for kind in layout.SPLIT_KINDS:
        for part in range(layout.SPLIT):
            os.makedirs(f"{queue}/{kind.decode()}/{part}")
    for flat in ("pid", "intd", "todo", "bounce", "lock"):
        os.makedirs(f"{queue}/{flat}")
    os.mkfifo(f"{queue}/lock/trigger", 0o622)


class QueueHome:
    """The home at ``path``; ``config`` is what its server goes by."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.server = 0
        make_queue(f"{path}/queue")
        os.mkdir(f"{path}/run")
        os.mkdir(f"{path}/bin")
        os.mkdir(f"{path}/control")
        for directory, _, files in os.walk(path):
            os.chown(directory, SERVER, SERVER)
            for name in files:
                os.chown(f"{directory}/{name}", SERVER, SERVER)
        os.chmod(path, 0o755)
        # alias qmaild qmaill root qmailp qmailq qmailr qmails, qmail nofiles
        numbers = [ALIAS, QMAILD, 60003, 0, 60005, SERVER, 60007, QMAILS]
        self.config = Config(path.encode(), Ids([*numbers, SERVER, SERVER]))

    def start(self, tied: bool = False, tether: int = -1) -> int:
        """Fork a server; wait until it serves, unless it is tied. Its pid."""

        def body() -> int:
            if tether >= 0:
                os.dup2(tether, 0)
            become(SERVER)
            return serve(self.config, tied, Strerr(b"qmail-queued"))

        pid = child.fork(body)
        if not tied:
            self.server = pid
            until(self.is_served)
        return pid

    def is_served(self) -> bool:
        """True when a worker has taken our connection and is free again.

        A server that can be connected to may not have its signal handlers yet, and a
        socket that can be connected to may be a dead server's.
        """
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(20)
            if caller.connect_ex(f"{self.path}/run/queued") != 0:
                return False
            caller.shutdown(socket.SHUT_WR)
            try:
                while caller.recv(4096):
                    pass
            except ConnectionResetError:
                return False  # nobody took it
            return True

    def stop(self) -> int:
        """TERM the server and wait for it; its raw wait status."""
        if not self.server:
            return 0
        os.kill(self.server, signal.SIGTERM)
        pid, self.server = self.server, 0
        return child.wait_for(pid)

    def submit(
        self,
        message: bytes = b"Subject: x\n\nbody\n",
        sender: bytes = b"s@example.org",
        recipients: tuple[bytes, ...] = (b"r@example.org",),
        uid: int = -1,
    ) -> bytes:
        """Queue a message as that uid, in a process of its own; the verdict."""

        def work() -> bytes:
            become(uid)
            submission = Submission()
            submission.put(message)
            submission.sender(sender)
            for recipient in recipients:
                submission.recipient(recipient)
            return submission.close()

        return child.in_child(work)

    def files(self, kind: str) -> dict[int, bytes]:
        """Number to content of everything below mess, intd, todo ..."""
        found = {}
        for directory, _, names in os.walk(f"{self.path}/queue/{kind}"):
            for name in names:
                with open(f"{directory}/{name}", "rb") as file:
                    found[int(name)] = file.read()
        return found

    def leftovers(self) -> list[str]:
        """The files of the queue, relative to it, the trigger excepted."""
        base = f"{self.path}/queue"
        found = [
            os.path.relpath(f"{directory}/{name}", base)
            for directory, _, names in os.walk(base)
            for name in names
        ]
        return sorted(name for name in found if name != "lock/trigger")


def become(uid: int) -> None:
    """Change the user for good, where that is possible and wanted."""
    if ROOT and uid >= 0:
        accounts.set_gid(uid)
        accounts.set_uid(uid)


@contextmanager
def queue_home() -> Iterator[QueueHome]:
    """A home, with runtime.home set to it; server and files go at the end."""
    # Not in pytest's tmp_path: that is a directory which only its owner may enter.
    path = tempfile.mkdtemp(prefix="queue-home-", dir="/tmp")
    before = runtime.home, runtime.program, environ.pop(b"QMAILQUEUE", None)
    home = QueueHome(path)
    runtime.home = path.encode()
    try:
        yield home
    finally:
        home.stop()
        runtime.home, runtime.program = before[:2]
        if before[2] is not None:
            environ[b"QMAILQUEUE"] = before[2]
        # A worker outlives its server by as much as its message takes.
        until(lambda: not anybody_in(path), what="the end of every worker")
        shutil.rmtree(path)


def anybody_in(path: str) -> bool:
    """True while a process has its working directory at or below the path."""
    for name in os.listdir("/proc"):
        try:
            where = os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue  # no process, one that has ended, or another user's
        if where == path or where.startswith(path + "/"):
            return True
    return False


def as_user(uid: int, work: Callable[[], bytes]) -> bytes:
    """Do the work in a child that is that user."""

    def body() -> bytes:
        become(uid)
        return work()

    return child.in_child(body)


def workers(home: QueueHome) -> list[int]:
    """The workers of the server, as soon as there are any."""
    path = Path(f"/proc/{home.server}/task/{home.server}/children")
    until(lambda: len(path.read_text().split()) >= home.config.spare_workers)
    return [int(word) for word in path.read_text().split()]


def connect(home: QueueHome) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX)
    caller.settimeout(20)
    caller.connect(f"{home.path}/run/queued")
    return caller


def whole(message: bytes = b"x\n", envelope: bytes = b"Fs\0Tr\0\0") -> bytes:
    end = wire.END
    return wire.encode_piece(message) + end + wire.encode_piece(envelope) + end


def answer_on(caller: socket.socket) -> wire.Answer | None:
    heard = b""
    try:
        while data := caller.recv(4096):
            heard += data
    except ConnectionResetError:
        pass  # the server has closed without reading all that was sent
    return wire.decode_answer(heard)
