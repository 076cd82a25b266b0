"""The notes on failures and the notice made of them."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from qmail.queue import layout
from qmail.send import controls as control_files
from qmail.send.bounces import Bounces, note, preamble
from qmail.send.rewriting import bounce_address, sender_for
from tests.support.crashfs import CrashFs
from tests.unit.send import originals
from tests.unit.send.rigging import (
    NOW,
    QNUM,
    MemoryRig,
    Submitted,
    fail_closes,
    fail_syncs,
    make_controls,
    preprocessed,
    put,
)


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (b"no such user\n", b"no such user\n\n"),
        (b"no such user", b"no such user\n\n"),
        (b"", b"\n"),
        (b"a\n\nb\n", b"a\n/b\n\n"),
        (b"a\n\n\n\nb\n", b"a\n///b\n\n"),
        (b"\na\n", b"/a\n\n"),
        (b"a\n\n", b"a\n\n\n"),
    ],
)
def test_note_keeps_report_in_one_paragraph(report: bytes, text: bytes) -> None:
    assert note(b"a@b", report) == b"<a@b>:\n" + text


def test_note_of_address_with_newline_stays_on_its_line() -> None:
    assert note(b"a\nb@c", b"x\n") == b"<a_b@c>:\nx\n\n"


def test_preamble_is_qsbmf() -> None:
    controls = make_controls(bouncefrom=b"Mail System", bouncehost=b"b.example")
    head, _, body = preamble(controls, b"joe@x", b"joe@x", 1_000_000_000).partition(
        b"\n\n"
    )
    assert head.split(b"\n") == [
        b"Date: 9 Sep 2001 01:46:40 -0000",
        b'From: "Mail System"@b.example',
        b"To: joe@x",
        b"Subject: failure notice",
    ]
    assert body.startswith(b"Hi. This is the qmail-send program at b.example.\n")
    # One paragraph, and nothing in it begins like the break.
    assert body.endswith(b"\n\n")
    assert body.count(b"\n\n") == 1
    assert not any(line.startswith((b"-", b"<")) for line in body.split(b"\n"))


@pytest.mark.parametrize(("report", "text"), originals.bounces("reports"))
def test_note_is_the_originals(
    fs: CrashFs, rig: MemoryRig, report: bytes, text: bytes
) -> None:
    preprocessed(fs, local=b"Ta@here\0")
    rig.scheduler.find(QNUM)
    rig.scheduler.start_deliveries(NOW)
    rig.report(0, 0, report)
    assert fs.content(layout.bounce(QNUM)) == b"<a@here>:\n" + text


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (b"x" * 9990 + b"\n", b"x" * 9990 + b"\n\n"),
        (b"x" * 9997, b"x" * 9997 + b"\n\n"),
        (b"x" * 9998, b"x" * 9998 + b"\n\n"),
        (b"x" * 9999, b"x" * 9998 + b"\n\n"),
        (b"x" * 20000 + b"\n", b"x" * 9998 + b"\n\n"),
        (b"line\n" * 4000, b"line\n" * 1999 + b"lin\n\n"),
        (b"x" * 9996 + b"\n" * 5, b"x" * 9996 + b"\n\n\n"),
        (b"x" * 9997 + b"\n\n", b"x" * 9997 + b"\n\n"),
        (b"\n" * 12000, b"/" * 9997 + b"\n\n"),
    ],
    ids=lambda value: str(len(value)),
)
def test_note_of_long_report_is_the_originals(
    fs: CrashFs, rig: MemoryRig, report: bytes, text: bytes
) -> None:
    test_note_is_the_originals(fs, rig, b"D" + report, text)


@pytest.mark.parametrize(
    ("bouncefrom", "bouncehost", "doubleto", "doublehost", "author", "to"),
    originals.bounces("names"),
)
def test_names_in_notices_are_the_originals(
    bouncefrom: bytes | None,
    bouncehost: bytes | None,
    doubleto: bytes | None,
    doublehost: bytes | None,
    author: bytes,
    to: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "control").mkdir()
    for name, content in (
        ("me", b"here\n"),
        ("bouncefrom", bouncefrom),
        ("bouncehost", bouncehost),
        ("doublebounceto", doubleto),
        ("doublebouncehost", doublehost),
    ):
        if content is not None:
            (tmp_path / "control" / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    controls = control_files.read()
    text = preamble(controls, b"", controls.doublebounceto, 1_000_000_000)
    assert b"\nFrom: %b\nTo: %b\nSubject: " % (author, to) in text


@pytest.mark.parametrize(
    ("sender", "by", "recipient", "to", "return_path"), originals.bounces("senders")
)
def test_notice_for_sender_is_the_originals(
    fs: CrashFs,
    sender: bytes,
    by: bytes | None,
    recipient: bytes | None,
    to: bytes | None,
    return_path: bytes | None,
) -> None:
    controls = make_controls(bouncehost=b"here", doublebounceto=b"postmaster@here")
    rig = MemoryRig(fs, controls=controls)
    assert bounced(fs, rig, sender)
    if by is None or recipient is None or to is None or return_path is None:
        assert rig.accepted == []
    else:
        (notice,) = rig.accepted
        assert notice.endswith(b"\n\n-- F%b T%b" % (by, recipient))
        assert b"\nTo: %b\nSubject: " % to in notice
        assert b"\n\nReturn-Path: <%b>\nReceived: " % return_path in notice
    rig.close()


@pytest.mark.parametrize(
    ("sender", "recipient", "expanded", "bounces_to"), originals.bounces("verp")
)
def test_owner_sender_is_the_originals(
    sender: bytes, recipient: bytes, expanded: bytes, bounces_to: bytes | None
) -> None:
    controls = {b"v.ex": b"vu-", b"": b"cat-"}
    prepend = controls.get(recipient.rpartition(b"@")[2], b"")
    assert sender_for(sender, prepend + recipient) == expanded
    assert bounce_address(sender) == {
        None: b"#@[]",
        b"postmaster@here": b"",
    }.get(bounces_to, bounces_to)


def bounced(fs: CrashFs, rig: MemoryRig, sender: bytes) -> bool:
    preprocessed(fs, QNUM, info=b"F%b\0" % sender, bounce=b"<a@b>:\nno\n\n")
    put(fs, layout.mess(QNUM), b"Received: x\n\nbody\n")
    return rig.bounces.inject(QNUM)


@pytest.mark.parametrize(
    ("sender", "envelope", "to", "mark", "return_path"),
    [
        (b"joe@x", b"F Tjoe@x", b"joe@x", b"copy of the message", b"joe@x"),
        (b"l-@h-@[]", b"F Tl-@h", b"l-@h", b"copy of the message", b"l-@h"),
        (b"j k@x", b"F Tj k@x", b'"j k"@x', b"copy of the message", b'"j k"@x'),
        (
            b"",
            b"F#@[] Tpostmaster@here.example",
            b"postmaster@here.example",
            b"original bounce",
            b"",
        ),
    ],
    ids=["single", "verp", "quoted", "double"],
)
def test_inject_sends_notice_to_whom_it_concerns(
    fs: CrashFs,
    rig: MemoryRig,
    sender: bytes,
    envelope: bytes,
    to: bytes,
    mark: bytes,
    return_path: bytes,
) -> None:
    assert bounced(fs, rig, sender)
    (notice,) = rig.accepted
    assert b"\nTo: %b\n" % to in notice
    _, _, after = notice.partition(b"<a@b>:\nno\n\n")
    assert after == (
        b"--- Below this line is %b.\n\nReturn-Path: <%b>\n"
        b"Received: x\n\nbody\n\n-- %b"
        % ((b"a " if mark.startswith(b"c") else b"the ") + mark, return_path, envelope)
    )
    assert fs.content(layout.bounce(QNUM)) is None
    assert rig.lines() == ["bounce msg 457 qp 4242"]


def test_inject_of_triple_bounce_discards_it(fs: CrashFs, rig: MemoryRig) -> None:
    assert bounced(fs, rig, b"#@[]")
    assert rig.accepted == []
    assert fs.content(layout.bounce(QNUM)) is None
    assert rig.lines() == ["triple bounce: discarding bounce/457"]


def test_inject_without_notes_sends_nothing(fs: CrashFs, rig: MemoryRig) -> None:
    preprocessed(fs)
    assert rig.bounces.inject(QNUM)
    assert rig.accepted == []
    assert rig.lines() == []


def test_inject_of_unreadable_message_fails_and_keeps_notes(
    fs: CrashFs, rig: MemoryRig
) -> None:
    preprocessed(fs, bounce=b"<a@b>:\nno\n\n")
    fs.unlink(layout.mess(QNUM))
    assert not rig.bounces.inject(QNUM)
    assert rig.accepted == []
    assert fs.content(layout.bounce(QNUM)) is not None


def test_add_on_full_disk_cries_and_goes_on_when_there_is_room(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[int] = []
    monkeypatch.setattr("qmail.send.log.time.sleep", pauses.append)
    fs.fail_at = (2, 28)  # create, then the write
    rig.bounces.add(QNUM, b"<a@b>:\nno\n\n")
    rig.bounces.add(QNUM, b"<c@d>:\nno\n\n")
    assert fs.content(layout.bounce(QNUM)) == b"<a@b>:\nno\n\n<c@d>:\nno\n\n"
    assert pauses == [10]
    assert rig.lines() == [
        "alert: unable to append to bounce message; HELP! sleeping..."
    ]


def test_inject_after_a_stalled_queue_lets_deliveries_go_first(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]

    def stalled() -> Submitted:
        clock[0] += 8
        return Submitted(rig.accepted, rig.refusal)

    monkeypatch.setattr("qmail.send.bounces.time.monotonic", lambda: clock[0])
    bounces = Bounces(rig.controls, rig.log, fs, stalled)  # type: ignore[arg-type]  # as in rigging
    preprocessed(fs, bounce=b"<a@b>:\nno\n\n")
    rig.refusal = b"Znobody there"
    assert not bounces.inject(QNUM)
    rig.refusal = b""
    clock[0] += 59
    assert not bounces.inject(QNUM)
    assert clock[0] == 1067.0
    clock[0] += 1
    assert bounces.inject(QNUM)
    assert len(rig.accepted) == 1


OLD = b"<old@b>:\nno\n\n"
LOST = b"<lost@b>:\nno\n\n"
OTHER = QNUM + layout.SPLIT


@pytest.mark.parametrize("what", ["file", "directory"])
@pytest.mark.parametrize("before", [b"", OLD], ids=["first", "second"])
def test_notes_that_are_not_on_disk_are_taken_back(
    what: str,
    before: bytes,
    fs: CrashFs,
    rig: MemoryRig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = layout.bounce(QNUM)
    if before:
        preprocessed(fs, bounce=before)
    rig.bounces.add(QNUM, LOST)
    fail_syncs(fs, monkeypatch, path if what == "file" else layout.BOUNCE_DIR)
    assert rig.bounces.sync() == {QNUM}
    assert fs.content(path) == (before or None)
    where = "bounce/457" if what == "file" else "bounce"
    assert rig.lines() == [f"warning: trouble fsyncing {where}"]
    monkeypatch.undo()
    rig.bounces.add(QNUM, LOST)
    assert rig.bounces.sync() == set()
    for disk in fs.reboots():
        assert disk.content(path) == before + LOST


def test_notes_of_other_messages_do_not_suffer(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.bounces.add(QNUM, LOST)
    rig.bounces.add(OTHER, OLD)
    fail_syncs(fs, monkeypatch, layout.bounce(QNUM))
    assert rig.bounces.sync() == {QNUM}
    for disk in fs.reboots():
        assert disk.content(layout.bounce(OTHER)) == OLD


def test_notes_lost_for_want_of_descriptors_are_reported_in_the_end(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.bounces.add(QNUM, LOST)
    fail_syncs(fs, monkeypatch, layout.bounce(QNUM))
    for n in range(1, 100):
        rig.bounces.add(QNUM + n, OLD)
    assert rig.bounces.sync() == {QNUM}
    assert rig.bounces.sync() == set()


def test_notes_that_cannot_be_taken_back_are_warned_about(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlink(path: bytes) -> None:
        raise OSError(errno.EROFS, "read-only")

    rig.bounces.add(QNUM, LOST)
    fail_syncs(fs, monkeypatch, layout.bounce(QNUM))
    monkeypatch.setattr(fs, "unlink", unlink)
    assert rig.bounces.sync() == {QNUM}
    assert rig.lines()[1:] == ["warning: unable to take back notes in bounce/457"]


def test_close_that_fails_is_nothing_to_a_bounce(
    fs: CrashFs, rig: MemoryRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocessed(fs)
    fail_closes(fs, monkeypatch)
    rig.bounces.add(QNUM, OLD)
    assert rig.bounces.sync() == set()
    for disk in fs.reboots():
        assert disk.content(layout.bounce(QNUM)) == OLD
    assert rig.bounces.inject(QNUM)
    assert len(rig.accepted) == 1
    assert rig.lines() == ["bounce msg 457 qp 4242"]
