"""How many messages with one local recipient qmail-send handles, its own cost only.

    python -m tests.bench.send_throughput [messages] [qmail-send command ...]

This process plays the spawners and qmail-clean, and answers at once.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.support.send_rig import SendRig, enqueue, make_queue


def main() -> None:
    """Measure once."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        make_queue(home, {"concurrencylocal": "100"})
        for number in range(count):
            enqueue(home, b"s@far.example", [b"r%d@here.example" % number])
        os.sync()
        rig = SendRig(home, sys.argv[2:] or None)
        began = time.monotonic()
        rig.pump(lambda: len(rig.cleaned) == 2 * count, seconds=600)
        seconds = time.monotonic() - began
        words = Path(f"/proc/{rig.pid}/stat").read_text().rpartition(")")[2].split()
        cpu = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        rig.stop()
    print(f"{count / seconds:.0f} messages/s, {1000 * cpu / count:.2f} ms of CPU each")


if __name__ == "__main__":
    main()
