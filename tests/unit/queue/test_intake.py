"""Free space is looked at often enough, whatever the pieces and whichever the file."""

from __future__ import annotations

import itertools

import pytest

from qmail.queue import exitcodes, layout
from qmail.queue.config import STEP_BYTES
from qmail.queue.enqueue import pid_names
from qmail.queue.exitcodes import Refused
from qmail.queue.intake import Intake
from tests.support.crashfs import CrashFs
from tests.unit.send.rigging import DIRECTORIES

RECIPIENT = b"Tsomebody@example.org\0"
PIECES = [1000, STEP_BYTES, STEP_BYTES + 1, 131072, 1 << 20]


class Disk:
    """A queue that is full from so many looks on; notes what was there at each."""

    def __init__(self, looks: int = 1 << 30) -> None:
        self._looks = looks
        self.fs = CrashFs(DIRECTORIES)
        self.intake = Intake(5, 7, b"R\n", pid_names(7), self.is_full, self.fs)
        self.seen: list[int] = []

    def is_full(self) -> bool:
        self.seen.append(self.size())
        return len(self.seen) > self._looks

    def size(self) -> int:
        """The bytes of the message and its envelope."""
        n = self.intake.entry.number
        paths = (layout.mess(n), layout.intd(n))
        return sum(len(self.fs.content(path) or b"") for path in paths)

    def take_message(self, piece: int, total: int = 1 << 20) -> None:
        for _ in range(0, total, piece):
            self.intake.message(b"x" * piece)
        self.intake.end_message()

    def take_envelope(self, piece: int, total: int = 1 << 20) -> None:
        data = b"Fs\0" + RECIPIENT * (total // len(RECIPIENT))
        for at in range(0, len(data), piece):
            self.intake.envelope(data[at : at + piece])


@pytest.mark.parametrize("piece", PIECES)
def test_intake_never_writes_more_than_a_step_between_looks(piece: int) -> None:
    disk = Disk()
    disk.take_message(piece)
    disk.take_envelope(piece)
    sizes = [*disk.seen, disk.size()]
    assert sizes[-1] > 2_000_000
    steps = [after - before for before, after in itertools.pairwise(sizes)]
    assert max(steps) <= STEP_BYTES


@pytest.mark.parametrize("piece", PIECES)
def test_intake_disk_full_within_the_message_is_53(piece: int) -> None:
    disk = Disk(looks=3)
    with pytest.raises(Refused) as caught:
        disk.take_message(piece)
    assert caught.value.code == exitcodes.WRITE_ERROR
    assert 0 < disk.size() <= 3 * STEP_BYTES
    disk.intake.entry.abandon()
    assert disk.size() == 0


@pytest.mark.parametrize("piece", PIECES)
def test_intake_disk_full_within_the_envelope_is_53(piece: int) -> None:
    disk = Disk(looks=4)
    disk.take_message(100, 100)
    with pytest.raises(Refused) as caught:
        disk.take_envelope(piece)
    assert caught.value.code == exitcodes.WRITE_ERROR
    assert 100 < disk.size() <= 4 * STEP_BYTES
    disk.intake.entry.abandon()
    assert disk.size() == 0


def test_intake_looks_before_each_file() -> None:
    disk = Disk(looks=1)
    disk.take_message(100, 100)
    with pytest.raises(Refused) as caught:
        disk.intake.envelope(b"Fs\0\0")
    assert caught.value.code == exitcodes.WRITE_ERROR
    assert disk.fs.content(layout.intd(disk.intake.entry.number)) is None
