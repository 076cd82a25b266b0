"""qmail/qmtp/server.py: dialogues, and what they come to however they arrive."""

from __future__ import annotations

import tracemalloc

import pytest

from qmail.qmtp.server import Session
from tests.support.netstring_dialogue import ns
from tests.support.trickle import pieces
from tests.unit.qmtp.dialogue import ACCEPTED, Caller, answers, package

LF = b"\nSubject: x\n\nhi\n"
CRLF = b"\rSubject: x\r\n\r\nhi\r\n"
STORED = LF[1:]
LONG = b"a" * 998 + b"ok"
LONGEST = b"a" * 997 + b"ok"
HEAD = ns(LF) + ns(b"s")

# What comes in; K or the codes of the answers; the messages; how it ends.
DIALOGUES: dict[str, tuple[bytes, bytes, list[object], str]] = {
    "nothing": (b"", b"", [], "EOF"),
    "LF": (package(LF), b"K", [(b"s@x", [b"a@ok"], STORED)], "EOF"),
    "CR LF": (package(CRLF), b"K", [(b"s@x", [b"a@ok"], STORED)], "EOF"),
    "three": (package() * 3, b"K K K", [(b"s@x", [b"a@ok"], STORED)] * 3, "EOF"),
    "CR LF is LF only for CR LF": (
        package(b"\ra\r\r\nb\r\r\r\nc\n\rd\r"),
        b"K",
        [(b"s@x", [b"a@ok"], b"a\r\nb\r\r\nc\n\rd\r")],
        "EOF",
    ),
    "LF keeps all as it is": (
        package(b"\na\r\nb\0\r"),
        b"K",
        [(b"s@x", [b"a@ok"], b"a\r\nb\0\r")],
        "EOF",
    ),
    "empty message": (package(b"\r"), b"K", [(b"s@x", [b"a@ok"], b"")], "EOF"),
    "null sender": (package(sender=b""), b"K", [(b"", [b"a@ok"], STORED)], "EOF"),
    "no recipient": (package(recipients=()), b"", [], "EOF"),
    "answers in order": (
        package(recipients=(b"x", b"a@ok", LONG, b"n\0@ok", b"n\0", b"ok", LONGEST)),
        b"#5.7.1 K #5.1.3 #5.1.3 #5.7.1 K K",
        [(b"s@x", [b"a@ok", b"ok", LONGEST], STORED)],
        "EOF",
    ),
    "none accepted": (package(recipients=(b"x",)), b"#5.7.1", [], "EOF"),
    "sender too long": (package(sender=LONG), b"#5.1.7", [], "EOF"),
    "sender with NUL": (package(sender=b"a\0b"), b"#5.1.7", [], "EOF"),
    "too big": (package(b"\n" + b"x" * 2001), b"#5.3.4", [], "EOF"),
    "too big in CR LF": (package(b"\r" + b"\r\n" * 2001), b"#5.3.4", [], "EOF"),
    "as big as may be": (
        package(b"\r" + b"\r\n" * 2000),
        b"K",
        [(b"s@x", [b"a@ok"], b"\n" * 2000)],
        "EOF",
    ),
    "a big one, then a small one": (
        package(b"\n" + b"x" * 2001) + package(),
        b"#5.3.4 K",
        [(b"s@x", [b"a@ok"], STORED)],
        "EOF",
    ),
    "zeros in front": (
        b"000000000000000" + package(),
        b"K",
        [(b"s@x", [b"a@ok"], STORED)],
        "EOF",
    ),
    "no number is 0": (HEAD + b":,", b"", [], "EOF"),
    "hang up in a length": (b"1", b"", [], "EOF"),
    "hang up before the last comma": (package()[:-1], b"", [], "EOF"),
    "message of 0 bytes": (b"0:,", b"", [], "ProtocolError"),
    "no encoding": (b"4:abc,", b"", [], "ProtocolError"),
    "SMTP": (b"EHLO x\r\n", b"", [], "ProtocolError"),
    "minus": (b"-1:", b"", [], "ProtocolError"),
    "blank": (b" 1:", b"", [], "ProtocolError"),
    "plus": (b"1+1:", b"", [], "ProtocolError"),
    "digits for ever": (b"9" * 5000, b"", [], "TooLong"),
    "message without comma": (ns(LF)[:-1] + b";", b"", [], "ProtocolError"),
    "sender without comma": (ns(LF) + b"1:s;", b"", [], "ProtocolError"),
    "recipient without comma": (HEAD + b"4:1:a;,", b"", [], "ProtocolError"),
    "recipients without comma": (HEAD + b"0:;", b"", [], "ProtocolError"),
    "recipient ends with the list": (HEAD + b"3:1:a,", b"", [], "ProtocolError"),
    "recipient beyond the list": (HEAD + b"9:99:aaaaaa,", b"", [], "ProtocolError"),
    "length beyond the list": (HEAD + b"2:1234:", b"", [], "ProtocolError"),
    "recipient's length too long": (
        HEAD + b"99:99999999999:",
        b"",
        [],
        "TooLong",
    ),
}


def codes(sent: list[bytes]) -> bytes:
    """K, or the status in parentheses."""
    return b" ".join(
        text[:1] if text == ACCEPTED else text.rpartition(b"(")[2].rstrip(b")")
        for text in sent
    )


@pytest.mark.parametrize(
    ("wire", "said", "messages", "end"), DIALOGUES.values(), ids=[*DIALOGUES]
)
def test_dialogue_in_any_pieces_comes_to_the_same(
    wire: bytes, said: bytes, messages: list[object], end: str
) -> None:
    for parts in pieces(wire):
        caller = Caller()
        for part in parts:
            caller.feed(part)
        caller.feed(b"")
        sent, found, ended = caller.outcome()
        assert (codes(sent), found, ended) == (said, messages, end)


def test_queue_trouble_is_the_answer_of_those_it_concerns() -> None:
    caller = Caller(verdict=b"Zdisk full (#4.3.0)")
    caller.feed(package(recipients=(b"a@ok", b"x", b"b@ok")))
    sent = answers(bytes(caller.sent))
    assert codes(sent) == b"#4.3.0 #5.7.1 #4.3.0"
    assert sent[0] == sent[2] == b"Zdisk full (#4.3.0)"


def test_suffix_is_appended_and_counts_for_the_length() -> None:
    caller = Caller(Session(suffix=b"@via.ok"))
    names = (b"ok", b"a" * 990 + b"ok", b"a" * 991 + b"ok")
    caller.feed(package(recipients=names))
    [(_, recipients, _)] = caller.messages
    assert recipients == [b"ok@via.ok", names[1] + b"@via.ok"]
    assert codes(answers(bytes(caller.sent))) == b"K K #5.1.3"


def test_event_must_be_answered_before_the_next() -> None:
    session = Session()
    session.receive(package())
    while (session.next_event() or (b"",))[0] != b"rcpt":
        pass
    with pytest.raises(RuntimeError):
        session.next_event()


def test_ceiling_more_recipients_end_the_session() -> None:
    caller = Caller(Session(ceiling=1000))
    caller.feed(HEAD + b"190000000:")
    for _ in range(11):
        assert not caller.ended
        caller.feed(b"1:a," * 100)
    assert caller.ended == "TooLong"


def test_huge_message_and_addresses_stream_in_constant_memory() -> None:
    session = Session(ceiling=100_000)
    chunk = b"\r\n" * 16384
    session.receive(b"199999999:\r")
    tracemalloc.start()
    try:
        for _ in range(100):
            session.receive(chunk)
            while session.next_event() is not None:
                pass
        session = Session()
        session.receive(ns(LF) + b"199999999:")
        for _ in range(100):
            session.receive(chunk)
            while session.next_event() is not None:
                pass
        assert tracemalloc.get_traced_memory()[1] < 10 * len(chunk)
    finally:
        tracemalloc.stop()


def test_many_answers_come_in_small_pieces() -> None:
    session = Session()
    session.receive(package(recipients=(b"ok",) * 10000))
    kind = b""
    while kind != b"end":
        event = session.next_event()
        assert event is not None
        kind = event[0]
        if kind == b"rcpt":
            session.recipient_ok()
    sizes = [len(piece) for piece in session.verdict(b"", now=1, qp=2)]
    assert max(sizes) < 5000
    assert sum(sizes) == 10000 * len(b"10:Kok 1 qp 2,")
