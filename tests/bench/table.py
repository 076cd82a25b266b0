"""What a bench gives: rows of figures, each beside its peer's of the same run.

A figure is the median of some rounds; the noise is half of the range between the best
and the worst round, in percent of the median. Ours and the peer take turns, so that
whatever else the machine does disturbs both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import NamedTuple

ROUNDS = 5


class Figure(NamedTuple):
    """The rounds of one contender."""

    name: str
    rounds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def noise(self) -> float:
        """In percent."""
        spread = (max(self.rounds) - min(self.rounds)) / 2
        return 100 * spread / self.median if self.median else 0.0


class Row(NamedTuple):
    """One case: our figure, and the peers'."""

    case: str
    unit: str
    ours: Figure
    peers: list[Figure]


Contender = Callable[[], float]


def measure(
    case: str, unit: str, contenders: dict[str, Contender], rounds: int = ROUNDS
) -> Row:
    """Let the contenders take turns; the first is ours."""
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            results[name].append(run())
    ours, *peers = (Figure(name, values) for name, values in results.items())
    return Row(case, unit, ours, peers)


HEAD = ("case", "unit", "pyqmail", "+-%", "peer", "", "+-%", "ratio")


def lines(rows: Iterable[Row]) -> list[str]:
    """The rows as a table; ratio: ours divided by the peer's."""
    cells = [HEAD]
    for row in rows:
        first = (row.case, row.unit, number(row.ours.median), f"{row.ours.noise:.0f}")
        if not row.peers:
            cells.append((*first, "", "", "", ""))
        for peer in row.peers:
            ratio = row.ours.median / peer.median if peer.median else 0.0
            other = (peer.name, number(peer.median), f"{peer.noise:.0f}")
            cells.append((*first, *other, f"{ratio:.2f}"))
            first = ("", "", "", "")
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    left = (0, 1, 4)
    return [
        "  ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def number(value: float) -> str:
    """With three digits that mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
