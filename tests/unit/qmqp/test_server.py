"""qmail/qmqp/server.py: dialogues, and what they come to however they arrive."""

from __future__ import annotations

import pytest

from tests.support.netstring_dialogue import ns
from tests.support.trickle import pieces
from tests.unit.qmqp.dialogue import Caller, package

TEXT = b"Subject: x\n\nhi\n"
LONGEST = b"a" * 999
GOOD = (b"s@x", [b"a@b"], TEXT)
M = ns(TEXT)

# What comes in; the first letter of the answer; the message; how it ends.
DIALOGUES: dict[str, tuple[bytes, bytes, object, str]] = {
    "nothing": (b"", b"", None, "EOF"),
    "message": (package(), b"K", GOOD, "END"),
    "what follows is not read": (package() + b"junk", b"K", GOOD, "END"),
    "as it is": (
        package(b"\0\r\n\r"),
        b"K",
        (b"s@x", [b"a@b"], b"\0\r\n\r"),
        "END",
    ),
    "empty": (package(b"", b"", ()), b"K", (b"", [], b""), "END"),
    "recipients": (
        package(recipients=(b"a", b"", LONGEST)),
        b"K",
        (b"s@x", [b"a", b"", LONGEST], TEXT),
        "END",
    ),
    "zeros in front": (
        b"0" * 97 + package(),
        b"K",
        GOOD,
        "END",
    ),
    "long sender": (package(sender=LONGEST + b"a"), b"D", None, "END"),
    "long recipient": (package(recipients=(b"a", LONGEST + b"a")), b"D", None, "END"),
    "NUL in sender": (package(sender=b"\0"), b"D", None, "END"),
    "NUL in recipient": (package(recipients=(b"a", b"b\0c", b"d")), b"D", None, "END"),
    "hang up": (package()[:-1], b"", None, "EOF"),
    "hang up in the message": (b"99:50:abc", b"", None, "EOF"),
    "no last comma": (package()[:-1] + b";", b"", None, "ProtocolError"),
    "SMTP": (b"EHLO x\r\n", b"", None, "ProtocolError"),
    "zeros for ever": (b"0" * 101, b"", None, "ProtocolError"),
    "digits for ever": (b"9" * 50, b"", None, "TooLong"),
    "empty outer": (b"0:,", b"", None, "ProtocolError"),
    "only a message": (ns(M), b"", None, "ProtocolError"),
    "message longer than all": (b"50:50:", b"", None, "ProtocolError"),
    "message's length too long": (b"99:99999999999:", b"", None, "TooLong"),
    "recipient beyond the end": (
        ns(M + b"0:,99:a,"),
        b"",
        None,
        "ProtocolError",
    ),
    "no comma": (ns(M[:-1] + b";0:,"), b"", None, "ProtocolError"),
    "no comma after the sender": (ns(M + b"1:a;"), b"", None, "ProtocolError"),
}


@pytest.mark.parametrize(
    ("wire", "letter", "queued", "end"), DIALOGUES.values(), ids=[*DIALOGUES]
)
def test_dialogue_in_any_pieces_comes_to_the_same(
    wire: bytes, letter: bytes, queued: object, end: str
) -> None:
    for parts in pieces(wire):
        caller = Caller()
        for part in parts:
            caller.feed(part)
        caller.feed(b"")
        assert caller.sent.partition(b":")[2][:1] == letter
        assert (caller.queued, caller.ended) == (queued, end)


def test_answer_is_a_netstring_with_time_and_qp() -> None:
    caller = Caller()
    caller.feed(package())
    assert caller.sent == b"20:Kok 1700000000 qp 42,"


def test_queue_trouble_is_the_answer_but_a_bad_address_goes_first() -> None:
    caller = Caller(b"Zdisk full")
    caller.feed(package())
    assert caller.sent == b"10:Zdisk full,"
    caller = Caller(b"Zdisk full")
    caller.feed(package(sender=b"\0"))
    assert b":D" in caller.sent


def test_event_must_be_answered_before_the_next() -> None:
    caller = Caller()
    session = caller.session
    session.receive(package())
    while (session.next_event() or (b"",))[0] != b"end":
        pass
    with pytest.raises(RuntimeError):
        session.next_event()
    session.verdict(b"", now=1, qp=1)
    with pytest.raises(RuntimeError):
        session.verdict(b"", now=1, qp=1)
