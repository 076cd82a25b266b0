"""A real qmail-send: starting, signals, lost companions, and SIGKILL anywhere."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from math import isqrt
from pathlib import Path

import pytest

from qmail.queue import layout
from tests.support.send_rig import Attempt, SendRig, enqueue, files, make_queue

QUEUE_PROGRAM = """\
#!/bin/sh
cat >> {0}/notices
cat <&1 >> {0}/envelopes
"""

Start = Callable[..., SendRig]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an empty queue, and a program that takes the bounces."""
    make_queue(tmp_path, {"virtualdomains": "v.example:vu\n"})
    program = tmp_path / "queue-program"
    program.write_text(QUEUE_PROGRAM.format(tmp_path))
    program.chmod(0o755)
    return tmp_path


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start qmail-send on the home; whatever runs at the end is killed."""
    rigs: list[SendRig] = []

    def begin(limits: bytes = b"xx") -> SendRig:
        rigs.append(SendRig(home, limits=limits))
        return rigs[-1]

    yield begin
    for rig in rigs:
        rig.close()


def running(start: Start) -> SendRig:
    rig = start()
    rig.pump(lambda: rig.log.startswith(b"status: local 0/10 remote 0/20\n"))
    return rig


def ended(rig: SendRig, *qnums: int) -> Callable[[], bool]:
    return lambda: all(b"foop/%d" % qnum in rig.cleaned for qnum in qnums)


def test_message_is_delivered_and_logged(home: Path, start: Start) -> None:
    rig = running(start)
    qnum = enqueue(home, b"joe@far.example", [b"a@here.example"])
    rig.pump(ended(rig, qnum))
    assert rig.stop() == 0
    assert rig.lines() == [
        "status: local 0/10 remote 0/20",
        f"new msg {qnum}",
        f"info msg {qnum}: bytes 7 from <joe@far.example> qp 77 uid 500",
        f"starting delivery 1: msg {qnum} to local a@here.example",
        "status: local 1/10 remote 0/20",
        "delivery 1: success: fine/",
        "status: local 0/10 remote 0/20",
        f"end msg {qnum}",
        "status: exiting",
    ]
    assert files(home) == set()


def test_failures_bounce_through_the_queue_program(home: Path, start: Start) -> None:
    rig = running(start)
    rig.verdict = lambda attempt: b"Dno such user\n"
    qnum = enqueue(home, b"joe@far.example", [b"a@v.example", b"b@far.example"])
    rig.pump(ended(rig, qnum))
    rig.stop()
    notice = (home / "notices").read_bytes()
    assert b"\n\nHi. This is the qmail-send program at here.example.\n" in notice
    assert b"\n\n<a@v.example>:\nno such user\n\n" in notice
    assert b"\n\n<b@far.example>:\nno such user\n\n" in notice
    tail = b"\n\n--- Below this line is a copy of the message.\n\n"
    assert notice.endswith(tail + b"Return-Path: <joe@far.example>\n\nhello\n")
    envelope = (home / "envelopes").read_bytes()
    assert envelope == b"F\0Tjoe@far.example\0\0"
    assert files(home) == set()


def test_queue_program_of_a_bounce_holds_no_pipe_of_the_companions(
    home: Path, start: Start
) -> None:
    listing = "ls -l /proc/$$/fd > {0}/descriptors\n"
    program = home / "queue-program"
    lines = program.read_text().split("\n", 1)
    program.write_text(lines[0] + "\n" + listing.format(home) + lines[1])
    rig = running(start)
    pipes = {os.readlink(f"/proc/{rig.pid}/fd/{fd}"): fd for fd in (1, 2, 3, 4, 5, 6)}
    rig.verdict = lambda attempt: b"Dno\n"
    enqueue(home, b"joe@far.example", [b"x@here.example"])
    rig.pump(lambda: b"bounce msg" in rig.log)
    held = (home / "descriptors").read_text()
    assert {fd for name, fd in pipes.items() if name in held} <= {2}


def test_messages_of_an_earlier_run_are_found(home: Path, start: Start) -> None:
    rig = running(start)
    rig.verdict = lambda attempt: None
    qnum = enqueue(home, b"s@x", [b"a@here.example", b"b@far.example"])
    rig.pump(lambda: len(rig.open) == 2)
    rig.kill()
    again = start()
    again.pump(ended(again, qnum))
    assert {a.recipient for a in again.attempts} == {
        b"a@here.example",
        b"b@far.example",
    }


@pytest.mark.parametrize("is_polite", [True, False], ids=["term", "kill"])
def test_retry_time_survives_term_and_not_a_kill(
    home: Path, start: Start, is_polite: bool
) -> None:
    rig = running(start)
    rig.verdict = lambda attempt: b"Zlater\n"
    began = time.time()
    qnum = enqueue(home, b"s@x", [b"a@here.example"])
    rig.pump(lambda: b"deferral: later/\nstatus: local 0/10" in rig.log)
    info = home / "queue" / os.fsdecode(layout.info(qnum))
    local = home / "queue" / os.fsdecode(layout.local(qnum))
    if is_polite:
        assert rig.stop() == 0
        assert rig.lines()[-1] == "status: exiting"
        # Its age may have been some seconds when it was scheduled.
        ahead = int(local.stat().st_mtime) - int(info.stat().st_mtime)
        ages = range(int(time.time() - began) + 2)
        assert ahead in {(10 + isqrt(age)) ** 2 for age in ages}
    else:
        rig.kill()
        assert local.stat().st_mtime <= time.time()


def test_alrm_makes_everything_due(home: Path, start: Start) -> None:
    rig = running(start)
    rig.verdict = lambda attempt: b"Zlater\n"
    qnum = enqueue(home, b"s@x", [b"a@here.example", b"b@far.example"])
    rig.pump(lambda: rig.log.count(b"deferral") == 2 and not rig.open)
    rig.verdict = lambda attempt: b"Kfine\n"
    rig.pump(lambda: rig.log.endswith(b"0/20\n"))
    rig.signal(signal.SIGALRM)
    rig.pump(ended(rig, qnum))


def test_term_waits_for_deliveries_and_starts_no_more(home: Path, start: Start) -> None:
    rig = running(start)
    rig.verdict = lambda attempt: None
    first = enqueue(home, b"s@x", [b"%c@here.example" % c for c in b"abcd"])
    rig.pump(lambda: len(rig.open) == 4)
    rig.signal(signal.SIGTERM)
    # A turn that had begun would still take new mail: wait for one after the signal.
    while b"exitasap" not in rig.log:
        reports = rig.log.count(b"success")
        rig.report(rig.open[0], b"Kok\n")
        rig.pump(lambda: rig.log.count(b"success") > reports)  # noqa: B023
    second = enqueue(home, b"s@x", [b"e@here.example"])
    assert rig.open
    for attempt in [*rig.open]:
        rig.report(attempt, b"Kok\n")
    assert rig.finish() == 0
    assert rig.lines()[-3:] == [
        "status: local 0/10 remote 0/20 exitasap",
        f"end msg {first}",
        "status: exiting",
    ]
    assert f"todo/{second}" in files(home)


@pytest.mark.parametrize("numbers", [(1, 2), (3, 4)], ids=["lspawn", "rspawn"])
def test_lost_spawner_is_the_end(home: Path, start: Start, numbers: list[int]) -> None:
    rig = running(start)
    rig.hang_up(*numbers)
    assert rig.finish() == 0
    assert "alert: oh no! lost spawn connection! dying..." in rig.lines()
    assert rig.lines()[-1] == "status: exiting"


def test_lost_qmail_clean_is_the_end_and_loses_nothing(
    home: Path, start: Start
) -> None:
    rig = running(start)
    rig.hang_up(5, 6)
    qnum = enqueue(home, b"s@x", [b"a@here.example"])
    assert rig.finish() == 0
    assert "alert: oh no! lost qmail-clean connection! dying..." in rig.lines()
    again = start()
    again.pump(ended(again, qnum))
    assert len(again.attempts) == 1


def test_second_qmail_send_cannot_start(home: Path, start: Start) -> None:
    running(start)
    second = start()
    assert second.finish() == 111
    assert second.lines() == ["alert: cannot start: qmail-send is already running"]


def test_lock_is_flock_and_held(home: Path, start: Start) -> None:
    running(start)
    with open(home / "queue/lock/sendmutex", "w") as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda home: (home / "queue").rename(home / "q"), "switch to queue directory"),
        (lambda home: (home / "control/me").unlink(), "read controls"),
        (lambda home: (home / "queue/lock/sendmutex").unlink(), "open mutex"),
        (lambda home: home.rename(home.parent / "moved"), "switch to home directory"),
    ],
    ids=["queue", "controls", "mutex", "home"],
)
def test_broken_home_cannot_start(
    home: Path, start: Start, spoil: Callable[[Path], None], why: str
) -> None:
    spoil(home)
    rig = start()
    assert rig.finish() == 111
    assert rig.lines() == [f"alert: cannot start: unable to {why}"]


def test_spawner_limit_caps_concurrency(home: Path, start: Start) -> None:
    rig = start(limits=b"\x03\x05")
    rig.pump(lambda: b"\n" in rig.log)
    assert rig.lines() == ["status: local 0/3 remote 0/5"]


def test_silent_spawner_cannot_start(home: Path, start: Start) -> None:
    rig = start(limits=b"")
    rig.hang_up(2)
    assert rig.finish() == 111
    assert rig.lines()[0].startswith("alert: cannot start: ")


RECIPIENTS = [b"a@here.example", b"fail@here.example", b"b@far.example", b"c@v.example"]


def unfinished(home: Path) -> set[str]:
    """What is still to be done: a message in S2 only waits for a sweep."""
    return {name for name in files(home) if not name.startswith("mess/")}


def verdict_of(attempt: Attempt) -> bytes:
    return b"Dno\n" if attempt.recipient.startswith(b"fail") else b"Kok\n"


@pytest.mark.parametrize("pace", [1, 3, 7])
def test_sigkill_anywhere_loses_no_recipient(
    home: Path, start: Start, pace: int
) -> None:
    """Each life ends some events later than the one before; the last one is whole."""
    wanted: set[tuple[bytes, bytes]] = set()
    keep = home / "keep"
    keep.mkdir()
    for number in range(12):
        sender = b"s%d@far.example" % number
        qnum = enqueue(home, sender, RECIPIENTS)
        # Held, so that no later message gets its number.
        mess = home / "queue" / os.fsdecode(layout.mess(qnum))
        os.link(mess, keep / str(qnum))
        wanted |= {(sender, recipient) for recipient in RECIPIENTS}
    got: set[tuple[bytes, bytes]] = set()
    for events in range(1, 60, pace):
        rig = start()
        rig.verdict = verdict_of

        def seen(rig: SendRig = rig) -> int:
            return len(rig.attempts) + len(rig.cleaned)

        deadline = time.monotonic() + 20
        while seen() < events and unfinished(home):
            rig.step(0.01)
            assert time.monotonic() < deadline
        rig.kill()
        got |= {(a.sender, a.recipient) for a in rig.attempts if a not in rig.open}
    last = start()
    last.verdict = verdict_of
    last.pump(lambda: not unfinished(home))
    last.stop()
    got |= {(a.sender, a.recipient) for a in last.attempts}
    stripped = {(sender, recipient.removeprefix(b"vu-")) for sender, recipient in got}
    assert stripped == wanted
    notices = (home / "notices").read_bytes()
    for number in range(12):
        assert b"To: s%d@far.example\n" % number in notices
    assert notices.count(b"<fail@here.example>:") >= 12


def test_many_messages_come_through_in_one_go(home: Path, start: Start) -> None:
    qnums = [enqueue(home, b"s@x", [b"a@here.example"]) for _ in range(300)]
    rig = start()
    rig.pump(ended(rig, *qnums), seconds=60)
    assert len(rig.attempts) == len(qnums)
    assert rig.stop() == 0
    assert files(home) == set()


def test_few_descriptors_make_small_batches_and_lose_nothing(
    home: Path, start: Start
) -> None:
    both = [b"a@here.example", b"b@far.example"]
    qnums = [enqueue(home, b"s@x", both) for _ in range(40)]
    rig = start()
    resource.prlimit(rig.pid, resource.RLIMIT_NOFILE, (40, 40))
    rig.pump(lambda: all(b"end msg %d\n" % qnum in rig.log for qnum in qnums), 60)
    rig.stop()
    assert files(home) == set()


def test_large_envelope_lets_other_mail_pass_and_term_end(
    home: Path, start: Start
) -> None:
    large = enqueue(home, b"big@x", [])
    # So much that it is not through before this process comes to send the small one.
    with open(home / "queue/todo" / str(large), "ab") as todo:
        todo.write(b"Tu@here.example\0" * 4_000_000)
    rig = running(start)
    rig.pump(lambda: b"info msg %d:" % large in rig.log)
    small = enqueue(home, b"joe@far.example", [b"a@here.example"])
    rig.pump(ended(rig, small))
    assert b"todo/%d" % large not in rig.cleaned
    assert rig.stop() == 0
    assert [attempt.qnum for attempt in rig.attempts] == [small]
    assert (home / "queue/todo" / str(large)).exists()
    # The next qmail-send begins anew.
    names = [os.fsdecode(layout.todo(large)), os.fsdecode(layout.intd(large))]
    for name in names:
        data = (home / "queue" / name).read_bytes()[: len(b"u500\0p77\0Fbig@x\0")]
        (home / "queue" / name).write_bytes(data + b"Tlast@here.example\0")
    again = start()
    again.pump(ended(again, large))
    assert [attempt.recipient for attempt in again.attempts] == [b"last@here.example"]
    assert again.stop() == 0
    assert files(home) == set()
