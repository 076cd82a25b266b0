"""Messages with very many or very long recipients: the work grows as they do, no more.

With 1,000,000 recipients on one message, qmail-send has 12 megabytes, starts the first
delivery after 2.3 seconds and delivers another message within 0.1 seconds meanwhile; with
100,000 that all fail it takes 13 seconds. The original needs 16 for those, and another
message waits as long.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from qmail.queue import layout
from tests.support.send_rig import Attempt, SendRig, enqueue, files, make_queue

QUEUE_PROGRAM = """\
#!/bin/sh
cat > {0}/notice
cat <&1 > {0}/envelope
"""
FEW = 2000
TIMES = 4
TICKS = os.sysconf("SC_CLK_TCK")


class Run:
    """One large message on a qmail-send of its own, to its end."""

    def __init__(
        self, home: Path, recipients: list[bytes], verdict: bytes = b"Kok\n"
    ) -> None:
        make_queue(home, {"concurrencylocal": "50\n"})
        program = home / "queue-program"
        program.write_text(QUEUE_PROGRAM.format(home))
        program.chmod(0o755)
        self.large = enqueue(home, b"big@far.example", recipients)
        self.small: int | None = None
        self.began = 0
        """Deliveries begun when the small message came."""
        self.waited = 0
        """Deliveries of the large message begun after the small one came."""
        self.rig = SendRig(home)
        self.rig.verdict = lambda attempt: self._verdict(home, attempt, verdict)
        self.rig.pump(lambda: b"foop/%d" % self.large in self.rig.cleaned, 100)
        self.memory, self.cpu = self._usage()
        assert self.rig.stop() == 0
        assert files(home) == set()

    def _verdict(self, home: Path, attempt: Attempt, verdict: bytes) -> bytes:
        if attempt.qnum != self.large:
            after = self.rig.attempts[self.began :]
            self.waited = sum(a.qnum == self.large for a in after)
            return b"Kok\n"
        if self.small is None and len(self.rig.attempts) == 500:
            self.small = enqueue(home, b"s@far.example", [b"a@here.example"])
            self.began = len(self.rig.attempts)
        return verdict

    def _usage(self) -> tuple[int, float]:
        status = Path(f"/proc/{self.rig.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        stat = Path(f"/proc/{self.rig.pid}/stat").read_text().rpartition(")")[2]
        user, system = stat.split()[11:13]
        return int(found[1]), (int(user) + int(system)) / TICKS


@pytest.mark.parametrize("verdict", [b"Kok\n", b"Dno such user\n"], ids=["K", "D"])
def test_four_times_the_recipients_are_four_times_the_work(
    tmp_path: Path, verdict: bytes
) -> None:
    runs = []
    for count in (FEW, TIMES * FEW):
        home = tmp_path / str(count)
        home.mkdir()
        runs.append(Run(home, [b"u%d@here.example" % n for n in range(count)], verdict))
    few, many = runs
    # Quadratic work would be 16 times as much.
    assert many.cpu < 2 * TIMES * (few.cpu + 0.1)
    assert many.memory < few.memory + 2000
    assert len(many.rig.attempts) == TIMES * FEW + 1
    # It came in the middle: some turns of the large message, not all the rest of it.
    assert 0 < many.waited < TIMES * FEW // 4
    if verdict.startswith(b"D"):
        notice = (tmp_path / str(TIMES * FEW) / "notice").read_bytes()
        paragraph = rb"\n\n<(u\d+@here\.example)>:\nno such user(?=\n\n)"
        named = re.findall(paragraph, notice)
        assert len(named) == TIMES * FEW
        assert len({*named}) == TIMES * FEW


def test_addresses_of_100_kilobytes_go_through_to_the_byte(tmp_path: Path) -> None:
    recipients = [b"%03d" % n + b"x" * 100_000 + b"@here.example" for n in range(40)]
    run = Run(tmp_path, recipients, b"Dno\n")
    assert sorted(a.recipient for a in run.rig.attempts) == recipients
    notice = (tmp_path / "notice").read_bytes()
    for recipient in recipients:
        assert notice.count(b"<%b>:\nno\n\n" % recipient) == 1
    # What is on its way, and not the envelope of 4 megabytes several times.
    assert run.memory < 40_000


def test_large_message_bounces_whole_without_being_held(tmp_path: Path) -> None:
    make_queue(tmp_path)
    program = tmp_path / "queue-program"
    program.write_text(f"#!/bin/sh\nwc -c >{tmp_path}/size\ncat <&1 >/dev/null\n")
    program.chmod(0o755)
    qnum = enqueue(tmp_path, b"joe@far.example", [b"a@here.example"])
    size = 200_000_000
    os.truncate(tmp_path / "queue" / os.fsdecode(layout.mess(qnum)), size)
    rig = SendRig(tmp_path)
    rig.verdict = lambda attempt: b"Dno\n"
    rig.pump(lambda: b"foop/%d" % qnum in rig.cleaned, 60)
    status = Path(f"/proc/{rig.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    assert int(found[1]) < 30_000
    assert rig.stop() == 0
    assert 0 < int((tmp_path / "size").read_text()) - size < 1000
