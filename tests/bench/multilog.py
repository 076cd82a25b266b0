"""Megabytes a second through multilog, from a file to a log directory on the disk."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time

from tests.bench.instance import PLACE
from tests.bench.programs import Programs, original
from tests.bench.table import Contender, Row, measure

BENCH = "MB a second, lines of 100 bytes, s16777215 n3"
MEGABYTES = 48
WORDS = ("abort", "bad", "crash", "die", "error", "fatal", "hup", "ill", "kill", "lost")
RARE = [f"-*{word}*" for word in WORDS]
LINE = b"status: local 1/10 remote 3/20 ".ljust(99, b"x") + b"\n"


def rows() -> list[Row]:
    PLACE.mkdir(parents=True, exist_ok=True)
    programs, theirs = Programs(), original("multilog")
    try:
        with tempfile.TemporaryDirectory(dir=PLACE) as place:
            with open(f"{place}/input", "wb") as file:
                file.write(LINE * (MEGABYTES * 1_000_000 // len(LINE)))
            result = []
            for case, script in (
                ("plain", []),
                ("t", ["t"]),
                ("two patterns", ["-*", "+status: *"]),
                ("t, two patterns, none pass", ["t", "-*", "+status: *"]),
                ("t, two patterns, all pass", ["t", "-*", "+* status: *"]),
                ("t, ten patterns of rare words", ["t", *RARE]),
                ("e of no line, and a pattern with stars", ["-*l*1/10*", "e"]),
            ):
                contenders = {"": contender(programs.path("multilog"), script, place)}
                if theirs:
                    contenders["C"] = contender(theirs, script, place)
                result.append(measure(case, "MB/s", contenders))
            return result
    finally:
        programs.close()


def contender(multilog: str, script: list[str], place: str) -> Contender:
    """A round into a directory of its own."""

    def run() -> float:
        log = tempfile.mkdtemp(dir=place)
        # What one round left in the page cache must not be written in the next.
        os.sync()
        began = time.monotonic()
        with open(f"{place}/input", "rb") as file:
            subprocess.run(
                [multilog, *script, "s16777215", "n3", f"{log}/main"],
                stdin=file,
                check=True,
            )
        return MEGABYTES / (time.monotonic() - began)

    return run
