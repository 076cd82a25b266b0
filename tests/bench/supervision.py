"""From ``ln -s`` to a service that is up, and what an svscan of many services costs."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.bench.programs import Programs, original
from tests.bench.table import Figure, Row, measure
from tests.support.services import (
    children,
    end_service,
    is_up,
    make_service,
)
from tests.support.until import until

BENCH = "seconds from ln -s to up; an idle svscan, milliseconds of CPU in 10 seconds"
IDLE_SERVICES = 1000
IDLE_SECONDS = 10
RUN = "exec sleep 1000"


class Scanned:
    """An svscan of a fresh directory, and of what is linked there."""

    def __init__(self, svscan: str, path: str) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="bench-")
        self.place = Path(self._place.name)
        self.scan = self.place / "service"
        self.scan.mkdir()
        self._svscan = svscan
        self._path = path

    def start(self) -> None:
        """Begin; the first pass comes at once."""
        self.process = subprocess.Popen(
            [self._svscan, str(self.scan)],
            env={"PATH": f"{self._path}:/usr/bin:/bin"},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def link(self) -> float:
        """Seconds until a new service is up."""
        service = make_service(self.place / f"s{time.monotonic_ns()}", RUN)
        began = time.monotonic()
        (self.scan / service.name).symlink_to(service)
        while not is_up(service):
            time.sleep(0.001)
        return time.monotonic() - began

    def close(self) -> None:
        """End it and everything below it."""
        supervises = children(self.process.pid)
        self.process.kill()
        self.process.wait()
        for service in self.scan.iterdir():
            end_service(service)
        for pid in supervises:
            with suppress(AssertionError):
                until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"))  # type: ignore[misc]
        self._place.cleanup()


def rows() -> list[Row]:
    programs = Programs()
    sides = {"": (programs.path("svscan"), programs.directory)}
    theirs = original("svscan")
    if theirs:
        sides["C"] = (theirs, theirs.rpartition("/")[0])
    try:
        return [_links(sides), _idle(sides)]
    finally:
        programs.close()


def _links(sides: dict[str, tuple[str, str]]) -> Row:
    scanned = {name: Scanned(*side) for name, side in sides.items()}
    for each in scanned.values():
        each.start()
        # The first pass must not find it.
        until(lambda: each.link() > 0)  # noqa: B023
    try:
        return measure(
            "ln -s to up", "s", {name: each.link for name, each in scanned.items()}
        )
    finally:
        for each in scanned.values():
            each.close()


def _idle(sides: dict[str, tuple[str, str]]) -> Row:
    """Both at the same time, with a supervise that does nothing."""
    scanned = {}
    for name, (svscan, _) in sides.items():
        with tempfile.TemporaryDirectory(prefix="bench-") as fake:
            program = Path(fake, "supervise")
            program.write_text("#!/bin/sh\nexec sleep 1000\n")
            program.chmod(0o755)
            each = scanned[name] = Scanned(svscan, fake)
            for number in range(IDLE_SERVICES):
                (each.scan / f"s{number}").mkdir()
            each.start()
            until(lambda: len(children(each.process.pid)) == IDLE_SERVICES, 60)  # noqa: B023
    time.sleep(1)
    before = {name: _milliseconds(each) for name, each in scanned.items()}
    time.sleep(IDLE_SECONDS)
    figures = [
        Figure(name, [_milliseconds(each) - before[name]])
        for name, each in scanned.items()
    ]
    for each in scanned.values():
        sleepers = children(each.process.pid)
        each.process.kill()
        for pid in sleepers:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        each.close()
    return Row(f"idle, {IDLE_SERVICES} services", "ms", figures[0], figures[1:])


def _milliseconds(each: Scanned) -> float:
    """CPU that the process itself has used so far."""
    nanoseconds = Path(f"/proc/{each.process.pid}/schedstat").read_text().split()[0]
    return int(nanoseconds) / 1e6
