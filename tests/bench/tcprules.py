"""What tcprules takes for many rules: seconds, and memory at its highest."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator

from tests.bench.instance import PLACE
from tests.bench.programs import Programs, original
from tests.bench.table import ROUNDS, Figure, Row

BENCH = "from a file of rules to a cdb on the disk"
INSTRUCTIONS = (b"deny", b'allow,RELAYCLIENT=""', b"allow")
COUNTS = (100_000, 1_000_000)


def rows() -> list[Row]:
    PLACE.mkdir(parents=True, exist_ok=True)
    programs, theirs = Programs(), original("tcprules")
    ours = programs.path("tcprules")
    both = {"": ours, "C": theirs} if theirs else {"": ours}
    try:
        with tempfile.TemporaryDirectory(dir=PLACE) as place:
            result = []
            for count in COUNTS:
                result += measured(f"{count:,} rules", both, place, plain(count))
            case = f"{COUNTS[0]:,} networks, half IPv6"
            return result + measured(case, {"": ours}, place, networks(COUNTS[0]))
    finally:
        programs.close()


def plain(count: int) -> Iterator[bytes]:
    """Rules for so many addresses."""
    for n in range(count):
        address = b"%d.%d.%d.%d" % (1 + n % 200, n >> 8 & 255, n >> 16, n * 7 & 255)
        yield b"%b:%b\n" % (address, INSTRUCTIONS[n % 3])


def networks(count: int) -> Iterator[bytes]:
    """Rules for so many networks of both families."""
    for n in range(0, count, 2):
        yield b"%d.%d.%d.0/%d:deny\n" % (1 + n % 200, n >> 8 & 255, n & 255, 17 + n % 7)
        yield b"2001:db8:%x:%x::/%d:deny\n" % (n >> 8, n & 255, 48 + n % 17)


def measured(
    case: str, programs: dict[str, str], place: str, lines: Iterator[bytes]
) -> list[Row]:
    """The row of the seconds, and that of the memory if time(1) is there to tell."""
    with open(f"{place}/rules", "wb") as file:
        file.writelines(lines)
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    peaks: dict[str, list[float]] = {name: [] for name in programs}
    # A child's own peak would begin with what the bench itself has; time(1) is small.
    clock = shutil.which("time")
    for _ in range(ROUNDS):
        for name, program in programs.items():
            command = [program, f"{place}/cdb", f"{place}/tmp"]
            with open(f"{place}/rules", "rb") as rules:
                began = time.monotonic()
                subprocess.run(command, stdin=rules, check=True)
                seconds[name].append(time.monotonic() - began)
            if clock:
                with open(f"{place}/rules", "rb") as rules:
                    done = subprocess.run(
                        [clock, "-f", "%M", *command],
                        stdin=rules,
                        stderr=subprocess.PIPE,
                        check=True,
                    )
                peaks[name].append(int(done.stderr) / 1000)
    result = [row(case, "s", seconds)]
    return [*result, row("", "MB at most", peaks)] if clock else result


def row(case: str, unit: str, rounds: dict[str, list[float]]) -> Row:
    """Ours is the first."""
    ours, *peers = (Figure(name, values) for name, values in rounds.items())
    return Row(case, unit, ours, peers)
