"""qmail/smtp/server.py: dialogues, and what they must come to however they arrive."""

from __future__ import annotations

import pytest

from qmail.smtp.server import Session
from tests.support.trickle import pieces
from tests.unit.smtp.dialogue import Caller

MAIL = b"MAIL FROM:<s@a>\r\n"
RCPT = b"RCPT TO:<r@ok>\r\n"
BEGIN = MAIL + RCPT + b"DATA\r\n"

# What comes in; the codes that go out.
DIALOGUES: dict[str, tuple[bytes, bytes]] = {
    "nothing": (b"", b""),
    "quit": (b"QUIT\r\n", b"221"),
    "lines may end in LF": (b"noop\nquit\n", b"250 221"),
    "any case": (b"NoOp\r\nqUIT\r\n", b"250 221"),
    "helo": (b"HELO x\r\n", b"250"),
    "ehlo": (b"EHLO x\r\n", b"250- 250- 250- 250"),
    "help": (b"HELP\r\n", b"214"),
    "vrfy": (b"VRFY x\r\n", b"252"),
    "unknown": (b"ETRN x\r\n\r\nDATAX\r\n MAIL\r\n", b"502 502 502 502"),
    "verb ends at a blank only": (b"NOOP\tx\r\n", b"502"),
    "NUL": (b"NOOP\0x\r\nNOOP\r\n", b"500 250"),
    "CR": (b"NOOP\rx\r\nNOOP\r\n", b"500 250"),
    "HTTP": (b"pOsT / HTTP/1.1\r\nNOOP\r\n", b"421"),
    "HTTP without path": (b"GET\r\nNOOP\r\n", b"421"),
    "header field": (b"X-A: b\r\nNOOP\r\n", b"421"),
    "no blank before the address": (b"MAILFROM:<a>\r\nNOOP\r\n", b"502 250"),
    "rcpt first": (RCPT, b"503"),
    "data first": (b"DATA\r\n", b"503"),
    "data without recipient": (MAIL + b"DATA\r\n", b"250 503"),
    "rcpt elsewhere": (MAIL + b"RCPT TO:<r@no>\r\n" + b"DATA\r\n", b"250 553 503"),
    "barred at rcpt": (b"MAIL FROM:<bad>\r\n" + RCPT, b"250 553"),
    "address too long": (b"MAIL FROM:<%b>\r\n" % (b"a" * 900), b"555"),
    "rcpt too long": (MAIL + b"RCPT TO:<%b>\r\n" % (b"a" * 900), b"250 555"),
    "rset forgets": (MAIL + b"RSET\r\n" + RCPT, b"250 250 503"),
    "helo forgets": (MAIL + b"HELO x\r\n" + RCPT, b"250 250 503"),
    "ehlo forgets": (MAIL + b"EHLO x\r\n" + RCPT, b"250 250- 250- 250- 250 503"),
    "data forgets": (BEGIN + b".\r\n" + RCPT, b"250 250 354 250 503"),
    "mail again forgets recipients": (
        MAIL + RCPT + MAIL + b"DATA\r\n",
        b"250 250 250 503",
    ),
    "bad mail ends the transaction": (
        MAIL + b"MAIL FROM:<%b>\r\n" % (b"a" * 900) + RCPT + b"DATA\r\n",
        b"250 555 503 503",
    ),
    "message": (BEGIN + b"a\r\n.\r\nQUIT\r\n", b"250 250 354 250 221"),
    "two messages": ((BEGIN + b"a\r\n.\r\n") * 2, b"250 250 354 250 250 250 354 250"),
    "hang up in a message": (BEGIN + b"a\r\n", b"250 250 354"),
    "bare LF": (BEGIN + b"a\nb\r\n.\r\nNOOP\r\n", b"250 250 354 550"),
    "bare LF without end": (BEGIN + b"a\nb\r\nNOOP\r\n", b"250 250 354"),
    "too big as announced": (b"MAIL FROM:<> SIZE=2001\r\n" + RCPT, b"552 503"),
    "as big as announced": (b"MAIL FROM:<> SIZE=2000\r\n" + RCPT, b"250 250"),
    "announced too big ends the transaction": (
        MAIL + RCPT + b"MAIL FROM:<> SIZE=2001\r\n" + RCPT + b"DATA\r\n",
        b"250 250 552 503 503",
    ),
    "other parameter after HELO": (
        b"HELO x\r\nMAIL FROM:<> X=Y\r\nRCPT TO:<r@ok> Z\r\n",
        b"250 250 250",
    ),
    "other parameter after EHLO": (
        b"EHLO x\r\nMAIL FROM:<> X=Y\r\n" + MAIL + b"RCPT TO:<r@ok> Z\r\n" + RCPT,
        b"250- 250- 250- 250 555 250 555 250",
    ),
    "HELO after EHLO": (
        b"EHLO x\r\nHELO x\r\nMAIL FROM:<> X=Y\r\n",
        b"250- 250- 250- 250 250 250",
    ),
    "RSET after EHLO": (
        b"EHLO x\r\nRSET\r\nMAIL FROM:<> X=Y\r\n",
        b"250- 250- 250- 250 250 555",
    ),
    "hundred hops": (
        BEGIN + b"Received: x\r\n" * 100 + b"\r\n.\r\n",
        b"250 250 354 554",
    ),
    "too big": (BEGIN + b"x" * 2000 + b"\r\n.\r\nNOOP\r\n", b"250 250 354 552 250"),
    "as big as may be": (BEGIN + b"x" * 1999 + b"\r\n.\r\n", b"250 250 354 250"),
    "loop before size": (
        BEGIN + b"Received: xxxxxxxxx\r\n" * 150 + b"\r\n.\r\n",
        b"250 250 354 554",
    ),
}


def session() -> Session:
    return Session(b"me.example", max_size=2000)


def run(parts: list[bytes], verdict: bytes = b"") -> Caller:
    caller = Caller(session(), verdict)
    for part in parts:
        caller.feed(part)
    caller.feed(b"")
    return caller


@pytest.mark.parametrize(
    ("wire", "codes"), DIALOGUES.values(), ids=[str(key) for key in DIALOGUES]
)
def test_server_dialogue_in_any_pieces_gets_the_same_replies(
    wire: bytes, codes: bytes
) -> None:
    whole = run([wire])
    assert [code.strip() for code in whole.codes] == codes.split()
    for parts in pieces(wire):
        caller = run(parts)
        assert caller.sent == whole.sent
        assert caller.messages == whole.messages
        assert caller.ended == whole.ended


@pytest.mark.parametrize("wire", [w for w, _ in DIALOGUES.values()], ids=DIALOGUES)
def test_server_replies_are_lines_with_crlf(wire: bytes) -> None:
    sent = bytes(run([wire]).sent)
    assert sent.count(b"\n") == sent.count(b"\r") == sent.count(b"\r\n")
    assert not sent or sent.endswith(b"\r\n")


def test_server_accepted_reply_has_time_and_number() -> None:
    caller = run([BEGIN + b".\r\n"])
    assert caller.sent.endswith(b"250 ok 1700000000 qp 42\r\n")


@pytest.mark.parametrize(
    ("verdict", "reply"),
    [
        (b"Dno (#5.3.0)", b"554 no (#5.3.0)"),
        (b"Zlater (#4.3.0)", b"451 later (#4.3.0)"),
    ],
)
def test_server_queue_refuses_reply_has_its_words(verdict: bytes, reply: bytes) -> None:
    assert run([BEGIN + b".\r\n"], verdict).sent.endswith(reply + b"\r\n")


def test_server_greeting_and_goodbye_name_the_host() -> None:
    subject = session()
    assert subject.greet() == b"220 me.example ESMTP\r\n"
    caller = Caller(subject)
    caller.feed(b"EHLO x\r\nHELO y\r\nQUIT\r\n")
    assert caller.sent == (
        b"250-me.example\r\n250-PIPELINING\r\n250-SIZE 2000\r\n250 8BITMIME\r\n"
        b"250 me.example\r\n221 me.example\r\n"
    )


def test_server_without_limit_size_has_no_number() -> None:
    caller = Caller(Session(b"me.example"))
    caller.feed(b"EHLO x\r\nMAIL FROM:<> SIZE=99999999999999999999\r\n")
    assert b"\r\n250-SIZE\r\n" in caller.sent
    assert caller.codes[-1] == b"250 "


def test_server_envelope_and_message_are_what_was_sent() -> None:
    wire = MAIL + RCPT + b"RCPT TO:<q@ok>\r\nDATA\r\n..a\r\nb\r\n.\r\n"
    assert run([wire]).messages == [(b"s@a", [b"r@ok", b"q@ok"], b".a\nb\n")]


@pytest.mark.parametrize(
    "refused", [b"<> SIZE=2001", b"<> BOGUS=1", b"<%b>" % (b"a" * 900)]
)
def test_server_refused_mail_mixes_no_envelopes(refused: bytes) -> None:
    caller = Caller(Session(b"me", max_size=2000))
    caller.feed(b"EHLO x\r\n" + MAIL + RCPT + b"MAIL FROM:%b\r\n" % refused)
    caller.feed(b"RCPT TO:<other@ok>\r\nDATA\r\n")
    assert caller.codes[-2:] == [b"503 ", b"503 "]
    caller.feed(MAIL + b"RCPT TO:<q@ok>\r\nDATA\r\na\r\n.\r\n")
    assert caller.messages == [(b"s@a", [b"q@ok"], b"a\n")]


@pytest.mark.parametrize(
    ("wire", "helo"),
    [
        (b"", None),
        (b"HELO other\r\n", b"other"),
        (b"HELO Host.Example\r\n", None),
        (b"EHLO\r\n", b""),
        (b"HELO   two words\r\n", b"two words"),
    ],
)
def test_server_helo_is_kept_when_it_differs(wire: bytes, helo: bytes | None) -> None:
    subject = Session(b"me", remote_host=b"host.example")
    Caller(subject).feed(wire)
    assert subject.helo == helo


def test_server_suffix_goes_behind_the_recipient() -> None:
    subject = session()
    subject.receive(MAIL + RCPT)
    subject.next_event()
    subject.sender_ok()
    subject.next_event()
    subject.recipient_ok(b".relay")
    assert list(subject.recipients()) == [b"r@ok.relay"]


def test_server_unanswered_event_is_a_bug() -> None:
    subject = session()
    subject.receive(MAIL + RCPT)
    subject.next_event()
    with pytest.raises(RuntimeError):
        subject.next_event()
    subject.sender_ok()
    with pytest.raises(RuntimeError):
        subject.sender_ok()


def test_server_two_sessions_share_nothing() -> None:
    first, second = Caller(session()), Caller(session())
    first.feed(MAIL + RCPT)
    second.feed(RCPT)
    assert second.codes == [b"503 "]
