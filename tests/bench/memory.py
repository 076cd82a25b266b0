"""Memory: what a supervised service costs, and a whole server that waits.

A service costs the PSS of its supervise, and its part of the scanner's: all of them
added, divided by their number. Nothing runs in them.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.bench.instance import instance
from tests.bench.programs import Programs, original
from tests.bench.table import Figure, Row
from tests.conftest import ORIGINALS
from tests.support.services import children, make_service
from tests.support.until import until

BENCH = "KB of PSS a service, with 200 of them; MB of PSS of the idle tree"
SERVICES = 200
LIBRARIES = f"{ORIGINALS}/usr/lib/x86_64-linux-gnu"
LIST = """
for d in /proc/[0-9]*; do
  test "$d" != /proc/1 || continue
  pss=`sed -n 's/^Pss: *//p' $d/smaps_rollup 2>/dev/null`
  echo "$pss `tr '\\0' ' ' <$d/cmdline`"
done
"""


def rows() -> list[Row]:
    programs = Programs()
    try:
        services = [
            _services(programs, "supervise", has_log=False),
            _services(programs, "supervise + log", has_log=True),
        ]
    finally:
        programs.close()
    return services + _tree()


def _services(programs: Programs, case: str, has_log: bool) -> Row:
    scanners: dict[str, list[str | None]] = {
        "": [programs.path("svscan"), "."],
        "C": [original("svscan"), "."],
        "runit": [original("runsvdir"), "."],
        # s6-svscan finds s6-supervise in /usr/bin only.
        "s6": ["/bin/sh", "-c", S6, original("s6-supervise"), "log" * has_log],
    }
    figures = [
        Figure(name, [_cost([word for word in command if word is not None], has_log)])
        for name, command in scanners.items()
        if None not in command
    ]
    return Row(case, "KB", figures[0], figures[1:])


S6 = """
for d in *; do "$0" $d & if test "$1"; then "$0" $d/log & fi; done
wait
"""


def _cost(command: list[str], has_log: bool) -> float:
    """KB of PSS a service."""
    path = f"{command[0].rpartition('/')[0]}:/usr/bin:/bin"
    count = SERVICES * (1 + has_log)
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        for number in range(SERVICES):
            service = make_service(Path(place, f"s{number}"), "exit", down=True)
            if has_log:
                make_service(service / "log", "exit", down=True)
        process = subprocess.Popen(
            command,
            cwd=place,
            env={"PATH": path, "LD_LIBRARY_PATH": LIBRARIES},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # runsv is also the parent of its log, which has no process of its own.
            until(lambda: len(children(process.pid)) in (count, SERVICES), 60)
            until(_at_rest(process.pid), 60)
            pids = [process.pid, *children(process.pid)]
            if command[0] == "/bin/sh":
                del pids[0]
            return sum(map(_pss, pids)) / SERVICES
        finally:
            below = children(process.pid)
            process.kill()
            for pid in below:
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            process.wait()
            until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in below))


def _at_rest(scanner: int) -> Callable[[], bool]:
    """True when twice in a row as many of as much memory were found."""
    last = [0]

    def is_the_same() -> bool:
        now = sum(map(_pss, children(scanner)))
        last.append(now)
        return last[-3:] == [now, now, now]

    return is_the_same


def _pss(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0])


def _tree() -> list[Row]:
    with instance() as server:
        # The last to be ready is the resolver, which loads dnspython.
        server.server.until(
            lambda: "resolver of" in server.run("ps axo args").stdout, "a resolver"
        )
        lines = [line.split() or [""] for line in server.run(LIST).stdout.splitlines()]
        names: dict[str, list[float]] = {}
        for words in lines:
            # The kernel's have no PSS; this look and process 1 are not of the server.
            if not words[0].isdigit() or words[3:4] == ["-c"] or "-ISc" in words:
                continue
            name = " ".join(words[2:])[:32]
            names.setdefault(name, []).append(int(words[0]) / 1024)
        sums = [(f"{name} x{len(each)}", sum(each)) for name, each in names.items()]
        sums.sort(key=lambda found: -found[1])
        total = sum(figure for _, figure in sums)
        return [
            Row(name, "MB", Figure("", [figure]), [])
            for name, figure in [("all", total), *sums]
        ]
