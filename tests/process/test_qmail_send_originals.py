"""qmail-send beside netqmail 1.06's: its record to the byte, and what a HUP changes.

The tables are what the original gave on the same queue with the same spawners.
"""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.send_rig import SendRig, enqueue, make_queue

QUEUE_PROGRAM = """\
#!/bin/sh
cat >/dev/null
cat <&1 >{0}/envelope
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SendRig]:
    """A qmail-send with a virtual domain, waiting for mail."""
    make_queue(tmp_path, {"virtualdomains": "v.ex:vu\n"})
    program = tmp_path / "queue-program"
    program.write_text(QUEUE_PROGRAM.format(tmp_path))
    program.chmod(0o755)
    rig = SendRig(tmp_path)
    rig.pump(lambda: rig.log == b"status: local 0/10 remote 0/20\n")
    yield rig
    rig.close()


STARTED = """\
new msg M
info msg M: bytes 7 from <{sender}> qp 77 uid 500
starting delivery 1: msg M to {to}
status: {busy}
delivery 1: {outcome}
status: local 0/10 remote 0/20
"""
LOCAL, REMOTE = "local 1/10 remote 0/20", "local 0/10 remote 1/20"
RECORDS = [
    (
        *(b"joe@x", b"a@here.example", b"Kok\n"),
        STARTED.format(
            sender="joe@x",
            to="local a@here.example",
            busy=LOCAL,
            outcome="success: ok/",
        ),
        "end msg M\n",
        "",
    ),
    (
        *(b"joe@x", b"a@far", b"K192.0.2.1 accepted\nit: 100%\n"),
        STARTED.format(
            sender="joe@x",
            to="remote a@far",
            busy=REMOTE,
            outcome="success: 192.0.2.1_accepted/it:_100_/",
        ),
        "end msg M\n",
        "",
    ),
    (
        *(b"joe@x", b"a@v.ex", b"Dno\n%x\n"),
        STARTED.format(
            sender="joe@x",
            to="local vu-a@v.ex",
            busy=LOCAL,
            outcome="failure: no/_x/",
        ),
        "bounce msg M qp Q\nend msg M\n",
        "F\0Tjoe@x\0\0",
    ),
    (
        *(b"", b"a@v.ex", b"Dno"),
        STARTED.format(
            sender="", to="local vu-a@v.ex", busy=LOCAL, outcome="failure: no"
        ),
        "bounce msg M qp Q\nend msg M\n",
        "F#@[]\0Tpostmaster@here.example\0\0",
    ),
    (
        *(b"#@[]", b"a@v.ex", b"Dno"),
        STARTED.format(
            sender="#@[]", to="local vu-a@v.ex", busy=LOCAL, outcome="failure: no"
        ),
        "triple bounce: discarding bounce/M\nend msg M\n",
        "",
    ),
    (
        *(b"o-@h-@[]", b"a@v.ex", b"D"),
        STARTED.format(
            sender="o-@h-@[]", to="local vu-a@v.ex", busy=LOCAL, outcome="failure: "
        ),
        "bounce msg M qp Q\nend msg M\n",
        "F\0To-@h\0\0",
    ),
    (
        *(b"a\nb%c d\xe9@y", b"a b@far", b"Zlater"),
        STARTED.format(
            sender="a/b_c_d_@y",
            to="remote a_b@far",
            busy=REMOTE,
            outcome="deferral: later",
        ),
        "",
        "",
    ),
    (
        *(b"joe@x", b"a@here.example", b"?x\n"),
        STARTED.format(
            sender="joe@x",
            to="local a@here.example",
            busy=LOCAL,
            outcome="report mangled, will defer",
        ),
        "",
        "",
    ),
]
"""Sender, recipient, report; the record up to the report, after it; the notice's
envelope."""


@pytest.mark.parametrize(
    ("sender", "recipient", "report", "record", "end", "envelope"), RECORDS
)
def test_record_of_a_message_is_the_originals(
    rig: SendRig,
    sender: bytes,
    recipient: bytes,
    report: bytes,
    record: str,
    end: str,
    envelope: str,
) -> None:
    rig.verdict = lambda attempt: report
    begin = len(rig.log)
    qnum = enqueue(rig.home, sender, [recipient])
    rig.pump(lambda: rig.log[begin:].count(b"\n") >= (record + end).count("\n"))
    assert rig.stop() == 0
    log = rig.log[begin:].replace(b"%d" % qnum, b"M").decode("ascii")
    log = re.sub(r"(?<=^bounce msg M qp )\d+", "Q", log, flags=re.MULTILINE)
    assert log == record + end + "status: exiting\n"
    notice = rig.home / "envelope"
    assert (notice.read_text() if notice.exists() else "") == envelope


def test_record_of_a_message_without_recipients_is_the_originals(rig: SendRig) -> None:
    begin = len(rig.log)
    qnum = enqueue(rig.home, b"joe@x", [])
    rig.pump(lambda: b"end msg %d\n" % qnum in rig.log)
    assert rig.log[begin:].replace(b"%d" % qnum, b"M") == (
        b"new msg M\ninfo msg M: bytes 7 from <joe@x> qp 77 uid 500\nend msg M\n"
    )


KNOWN = [b"a@here.example", b"a@v.ex", b"a@w.ex", b"a@n.ex", b"nodom", b"a%n.ex@h.ex"]
DIRECTORY = "(a directory)"
FIRST = ["R a@here.example", "R a@v.ex", "L wu-a@w.ex", "L a@n.ex"]
FIRST += ["R nodom@here.example", "R a%n.ex@h.ex"]
HUPS: list[tuple[dict[str, str | None], list[str], str]] = [
    (
        {
            "locals": "n.ex\n",
            "virtualdomains": "w.ex:wu\n",
            "envnoathost": "n.ex\n",
            "percenthack": "h.ex\n",
            "me": "other\n",
            "concurrencylocal": "5\n",
            "bouncehost": "other\n",
        },
        FIRST,
        "",
    ),
    ({"locals": DIRECTORY, "virtualdomains": "v.ex:vv\n"}, FIRST, "locals"),
    (
        {"locals": "here.example\n", "virtualdomains": DIRECTORY},
        FIRST,
        "virtualdomains",
    ),
    (
        {"locals": "n.ex\n", "virtualdomains": None},
        ["R a@here.example", "R a@v.ex", "R a@w.ex", "L a@n.ex"]
        + ["R nodom@here.example", "R a%n.ex@h.ex"],
        "",
    ),
    (
        {"locals": None, "virtualdomains": ":all\n"},
        ["L a@here.example", "L all-a@v.ex", "L all-a@w.ex", "L all-a@n.ex"]
        + ["L nodom@here.example", "L all-a%n.ex@h.ex"],
        "",
    ),
    (
        {"locals": "", "virtualdomains": ""},
        ["R a@here.example", "R a@v.ex", "R a@w.ex", "R a@n.ex"]
        + ["R nodom@here.example", "R a%n.ex@h.ex"],
        "",
    ),
    (
        {"locals": None, "me": None},
        ["L a@here.example", "R a@v.ex", "R a@w.ex", "R a@n.ex"]
        + ["L nodom@here.example", "R a%n.ex@h.ex"],
        "",
    ),
]
"""One HUP after the other: files, where mail goes then, the file complained about."""


def change(home: Path, files: dict[str, str | None]) -> None:
    """Control files with these contents, or none."""
    for name, text in files.items():
        path = home / "control" / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if text == DIRECTORY:
            path.mkdir()
        elif text is not None:
            path.write_text(text)


def test_hup_rereads_what_the_original_rereads(rig: SendRig) -> None:
    def routed() -> list[str]:
        seen = len(rig.attempts)
        qnums = [enqueue(rig.home, b"%d" % n, [r]) for n, r in enumerate(KNOWN)]
        rig.pump(lambda: all(b"foop/%d" % qnum in rig.cleaned for qnum in qnums))
        rig.cleaned.clear()
        came = sorted(rig.attempts[seen:], key=lambda attempt: attempt.sender)
        return [f"{a.channel[0].upper()} {a.recipient.decode()}" for a in came]

    for files, wanted, complaint in HUPS:
        change(rig.home, files)
        alerts = rig.log.count(b"alert: ")
        rig.signal(signal.SIGHUP)
        if complaint:
            rig.pump(lambda: rig.log.count(b"alert: ") > alerts)  # noqa: B023
            line = f"alert: unable to reread control/{complaint}\n"
            assert line.encode() in rig.log
        seen = len(rig.attempts)
        # The signal may come in the middle of a turn that finds the messages.
        while routed() != wanted:
            assert not complaint
            assert len(rig.attempts) < seen + 100, files
    assert b"/10 remote 0/20\nend msg" in rig.log
    assert b"/5 remote" not in rig.log
    assert rig.stop() == 0
