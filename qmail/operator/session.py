"""The processes of a trial instance: svscan in a session of its own, and all below it.

A process stays in the session that it was born in, whoever its parent is now. So what
was started can be found, and stopped, even after svscan itself is gone.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable

from qmail.operator import processes
from qmail.operator.instance import SERVICES, Instance

STOP_SECONDS = 10.0
"""How long services may take to end before they are made to."""


class Session:
    """What runs of an instance; ``leader`` is svscan's pid, and the session's number."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.leader = 0
        self._svscan: subprocess.Popen[bytes] | None = None
        self._note = f"{instance.root}/session"

    def start(self) -> None:
        """Start svscan; what it has to say goes to a file."""
        places = self.instance.places
        path = f"{places.command}:{places.local_bin}:/usr/local/bin:/usr/bin:/bin"
        environment = {"PATH": path}
        if "TZ" in os.environ:
            environment["TZ"] = os.environ["TZ"]
        with open(f"{places.var_log}/svscan", "wb") as log:
            self._svscan = subprocess.Popen(
                [f"{places.command}/svscan", places.service],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=environment,
            )
        self.leader = self._svscan.pid
        with open(self._note, "w") as note:
            note.write(self._name())

    def _name(self) -> str:
        start = processes.start_of(self.leader)
        return f"{processes.boot_id()} {self.leader} {start}\n"

    def is_running(self) -> bool:
        """True while svscan is there."""
        return self._svscan is not None and self._svscan.poll() is None

    def find_leftover(self) -> bool:
        """True if a run that was killed has left processes; they are ours to stop now.

        The number of a session is not given to another process while it has a member.
        """
        try:
            with open(self._note) as note:
                boot, leader, start = note.read().split()
        except (OSError, ValueError):
            return False
        now = processes.start_of(int(leader))
        if boot != processes.boot_id() or (now and now != start):
            return False
        self.leader = int(leader)
        return bool(processes.members(self.leader))

    def stop(self) -> list[int]:
        """Stop everything; the processes that would not go, which is none.

        svscan first, for it would start again what ends; the logs last, so that they
        get the services' last words.
        """
        if self.leader == 0:
            return []
        self._signal([self.leader], signal.SIGTERM)
        self._await(lambda: not self._leader_is_there())
        logs = [f"{service}/log" for service in SERVICES]
        self._control(list(SERVICES))
        self._await(lambda: not any(map(self._is_supervised, SERVICES)))
        self._control(logs)
        self._await(lambda: not any(map(self._is_supervised, logs)))
        for number, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            # Sessions that tcpserver left running, and who did not listen.
            self._signal(processes.members(self.leader), number)
            self._await(lambda: not processes.members(self.leader), seconds)
        survivors = processes.members(self.leader)
        if not survivors:
            self._tidy()
        return survivors

    def _leader_is_there(self) -> bool:
        if self._svscan is not None:
            return self._svscan.poll() is None
        return self.leader in processes.members(self.leader)

    def _control(self, services: list[str]) -> None:
        """Have them go down and their supervise exit."""
        places = self.instance.places
        there = [name for name in services if self._is_supervised(name)]
        if there:
            subprocess.run(
                [f"{places.command}/svc", "-dx", *there],
                cwd=places.service,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                check=False,
            )

    def _is_supervised(self, service: str) -> bool:
        try:
            ok = f"{self.instance.places.service}/{service}/supervise/ok"
            os.close(os.open(ok, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT, errno.ENOTDIR):
                raise
            return False
        return True

    @staticmethod
    def _signal(pids: list[int], number: int) -> None:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    @staticmethod
    def _await(condition: Callable[[], bool], seconds: float = STOP_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _tidy(self) -> None:
        """Remove what only has a meaning while processes run."""
        run = f"{self.instance.places.home}/run"
        for path in (f"{run}/queued", f"{run}/queued.new", self._note):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
        self.leader = 0
