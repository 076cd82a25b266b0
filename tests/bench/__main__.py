"""python -m tests.bench [NAME...]: run the benches of these names, or all of them.

A bench is a module of this directory with ``BENCH``, a line about it, and ``rows()``.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time

from tests.bench import table

NAMES = (
    *("startup", "tcpserver", "multilog", "tcprules", "memory", "supervision"),
    *("accept", "inject", "deliver", "remote"),
)


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"no such bench: {' '.join(unknown)}; there are: {' '.join(NAMES)}")
        return 100
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} processors,"
        f" load {load:.1f}, {time.strftime('%F %R')}"
    )
    for name in names or NAMES:
        module = importlib.import_module(f"tests.bench.{name}")
        print(f"\n{name}: {module.BENCH}", flush=True)
        for line in table.lines(module.rows()):
            print("  " + line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
