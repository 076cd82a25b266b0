"""Memory of a server that waits: each process's share, and the whole of it."""

from __future__ import annotations

from tests.bench.instance import instance
from tests.bench.table import Figure, Row

BENCH = "PSS of the idle tree, in MB"
LIST = """
for d in /proc/[0-9]*; do
  test "$d" != /proc/1 || continue
  pss=`sed -n 's/^Pss: *//p' $d/smaps_rollup 2>/dev/null`
  echo "$pss `tr '\\0' ' ' <$d/cmdline`"
done
"""


def rows() -> list[Row]:
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
