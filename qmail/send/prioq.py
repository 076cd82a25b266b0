"""Priority queues of message numbers by time: pure."""

from __future__ import annotations

from heapq import heapify, heappop, heappush


class TimeQueue:
    """Message numbers, the earliest first; among equals the one added first."""

    __slots__ = ("_added", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int]] = []
        self._added = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, when: int, qnum: int) -> None:
        """Put a message in, to come out at ``when``."""
        self._added += 1
        heappush(self._heap, (when, self._added, qnum))

    def earliest(self, otherwise: int) -> int:
        """The time of the first message."""
        return self._heap[0][0] if self._heap else otherwise

    def pop_due(self, now: int) -> int | None:
        """Take out the first message if its time has come."""
        if self._heap and self._heap[0][0] <= now:
            return heappop(self._heap)[2]
        return None

    def reschedule(self, when: int) -> None:
        """Give every message the same time."""
        self._heap = [(when, added, qnum) for _, added, qnum in self._heap]
        heapify(self._heap)

    def drain(self) -> list[tuple[int, int]]:
        """Take everything out: (time, message)."""
        entries = [(when, qnum) for when, _, qnum in self._heap]
        self._heap = []
        return entries
