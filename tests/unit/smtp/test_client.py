"""qmail/smtp/client.py: what each reply leads to, however it arrives."""

from __future__ import annotations

import pytest

from qmail.remote import report
from qmail.smtp import client
from qmail.smtp.client import ClientSession
from qmail.smtp.data import Measure
from qmail.smtp.reply import MAX_BYTES
from tests.support.trickle import pieces

GREETED = b"220 hi\r\n250 hello\r\n"
READY = GREETED + b"250 sender\r\n250 rcpt\r\n354 go\r\n"
COMMANDS = b"EHLO me\r\nMAIL FROM:<s@a>\r\nRCPT TO:<r@b>\r\nDATA\r\n"

# What the server says; what is sent; the reports, IP standing for its address.
DIALOGUES: dict[str, tuple[bytes, bytes, bytes]] = {
    "accepted": (
        READY + b"250 queued\r\n",
        COMMANDS + b"..a\r\n.\r\nQUIT\r\n",
        b"r\0KIP accepted message.\nRemote host said: 250 queued\n\0",
    ),
    "greeting": (
        b"554 go\r\n",
        b"QUIT\r\n",
        b"ZConnected to IP but greeting failed.\nRemote host said: 554 go\n\0",
    ),
    "greeting other than 220": (
        b"221 hi\r\n",
        b"QUIT\r\n",
        b"ZConnected to IP but greeting failed.\nRemote host said: 221 hi\n\0",
    ),
    "EHLO and HELO": (
        b"220 hi\r\n502 what\r\n550 no\r\n",
        b"EHLO me\r\nHELO me\r\nQUIT\r\n",
        b"ZConnected to IP but my name was rejected.\nRemote host said: 550 no\n\0",
    ),
    "EHLO at closing time": (
        b"220 hi\r\n421 bye\r\n",
        b"EHLO me\r\nQUIT\r\n",
        b"ZConnected to IP but my name was rejected.\nRemote host said: 421 bye\n\0",
    ),
    "HELO other than 250": (
        b"220 hi\r\n500 what\r\n251 hm\r\n",
        b"EHLO me\r\nHELO me\r\nQUIT\r\n",
        b"ZConnected to IP but my name was rejected.\nRemote host said: 251 hm\n\0",
    ),
    "dies at EHLO": (
        b"220 hi\r\n",
        b"EHLO me\r\n",
        b"ZConnected to IP but connection died. (#4.4.2)\n\0",
    ),
    "dies at HELO": (
        b"220 hi\r\n500 what\r\n",
        b"EHLO me\r\nHELO me\r\n",
        b"ZConnected to IP but connection died. (#4.4.2)\n\0",
    ),
    "600 is for now": (
        GREETED + b"600 no\r\n",
        b"EHLO me\r\nMAIL FROM:<s@a>\r\nQUIT\r\n",
        b"ZConnected to IP but sender was rejected.\nRemote host said: 600 no\n\0",
    ),
    "closing at recipient": (
        GREETED + b"250 ok\r\n421 bye\r\n",
        b"EHLO me\r\nMAIL FROM:<s@a>\r\nRCPT TO:<r@b>\r\nQUIT\r\n",
        b"sIP does not like recipient.\nRemote host said: 421 bye\n\0"
        b"DGiving up on IP.\n\0",
    ),
    "data without a 3": (
        GREETED + b"250 ok\r\n250 ok\r\n250 ok\r\n",
        COMMANDS + b"QUIT\r\n",
        b"r\0ZIP failed on DATA command.\nRemote host said: 250 ok\n\0",
    ),
    "message without a 2": (
        READY + b"354 go on\r\n",
        COMMANDS + b"..a\r\n.\r\nQUIT\r\n",
        b"r\0ZIP failed after I sent the message.\nRemote host said: 354 go on\n\0",
    ),
    "message, nonsense": (
        READY + b"yes\r\n",
        COMMANDS + b"..a\r\n.\r\nQUIT\r\n",
        b"r\0ZIP failed after I sent the message.\nRemote host said: yes\n\0",
    ),
    "sender, for good": (
        GREETED + b"550 no\r\n",
        b"EHLO me\r\nMAIL FROM:<s@a>\r\nQUIT\r\n",
        b"DConnected to IP but sender was rejected.\nRemote host said: 550 no\n\0",
    ),
    "sender, for now": (
        GREETED + b"450 no\r\n",
        b"EHLO me\r\nMAIL FROM:<s@a>\r\nQUIT\r\n",
        b"ZConnected to IP but sender was rejected.\nRemote host said: 450 no\n\0",
    ),
    "recipient, for good": (
        GREETED + b"250 ok\r\n550-no\r\n550 way\r\n",
        b"EHLO me\r\nMAIL FROM:<s@a>\r\nRCPT TO:<r@b>\r\nQUIT\r\n",
        b"hIP does not like recipient.\nRemote host said: 550-no\n550 way\n\0"
        b"DGiving up on IP.\n\0",
    ),
    "recipient, for now": (
        GREETED + b"250 ok\r\n450 no\r\n",
        b"EHLO me\r\nMAIL FROM:<s@a>\r\nRCPT TO:<r@b>\r\nQUIT\r\n",
        b"sIP does not like recipient.\nRemote host said: 450 no\n\0"
        b"DGiving up on IP.\n\0",
    ),
    "data, for good": (
        GREETED + b"250 ok\r\n250 ok\r\n550 no\r\n",
        COMMANDS + b"QUIT\r\n",
        b"r\0DIP failed on DATA command.\nRemote host said: 550 no\n\0",
    ),
    "data, for now": (
        GREETED + b"250 ok\r\n250 ok\r\n450 no\r\n",
        COMMANDS + b"QUIT\r\n",
        b"r\0ZIP failed on DATA command.\nRemote host said: 450 no\n\0",
    ),
    "message, for good": (
        READY + b"554 no\r\n",
        COMMANDS + b"..a\r\n.\r\nQUIT\r\n",
        b"r\0DIP failed after I sent the message.\nRemote host said: 554 no\n\0",
    ),
    "message, for now": (
        READY + b"451 no\r\n",
        COMMANDS + b"..a\r\n.\r\nQUIT\r\n",
        b"r\0ZIP failed after I sent the message.\nRemote host said: 451 no\n\0",
    ),
    "nonsense is for now": (
        GREETED + b"what?\r\n",
        b"EHLO me\r\nMAIL FROM:<s@a>\r\nQUIT\r\n",
        b"ZConnected to IP but sender was rejected.\nRemote host said: what?\n\0",
    ),
    "dies at once": (
        b"",
        b"",
        b"ZConnected to IP but connection died. (#4.4.2)\n\0",
    ),
    "dies before the message": (
        GREETED,
        b"EHLO me\r\nMAIL FROM:<s@a>\r\n",
        b"ZConnected to IP but connection died. (#4.4.2)\n\0",
    ),
    "dies after the message": (
        READY,
        COMMANDS + b"..a\r\n.\r\n",
        b"r\0ZConnected to IP but connection died. Possible duplicate! (#4.4.2)\n\0",
    ),
    "dies within the last reply": (
        READY + b"250-yes\r\n",
        COMMANDS + b"..a\r\n.\r\n",
        b"r\0ZConnected to IP but connection died. Possible duplicate! (#4.4.2)\n\0",
    ),
    "NUL in a reply": (
        b"554 a\0b\r\n",
        b"QUIT\r\n",
        b"ZConnected to IP but greeting failed.\nRemote host said: 554 a?b\n\0",
    ),
}


def converse(
    session: ClientSession,
    parts: list[bytes],
    message: bytes,
    measure: Measure | None = None,
) -> tuple[bytes, bytes]:
    """What was sent, and the reports."""
    sent = bytearray()
    reports = bytearray()
    incoming = [*parts, b""]
    while True:
        event = session.next_event()
        if event is None:
            session.receive(incoming.pop(0))
        elif event.kind == client.SEND:
            sent += event.data
        elif event.kind == client.MEASURE:
            session.measured(measure)
        elif event.kind == client.BODY:
            sent += session.message(message)
            end = session.end_of_message()
            assert end is not None
            sent += end
        else:
            assert event.outcome is not None
            reports += report.of(event.outcome, b"IP")
            if event.kind == client.DONE:
                if event.outcome.is_polite:
                    sent += client.QUIT
                assert session.next_event() is None
                return bytes(sent), bytes(reports)


def new_session(*recipients: bytes) -> ClientSession:
    return ClientSession(b"me", b"s@a", list(recipients) or [b"r@b"])


@pytest.mark.parametrize(
    ("wire", "sent", "reports"), DIALOGUES.values(), ids=[*DIALOGUES]
)
def test_client_dialogue_in_any_pieces_is_the_same(
    wire: bytes, sent: bytes, reports: bytes
) -> None:
    for parts in pieces(wire):
        assert converse(new_session(), parts, b".a\n") == (sent, reports)


def test_client_some_recipients_taken_sends_message() -> None:
    wire = GREETED + b"250 ok\r\n250 ok\r\n550 no\r\n451 no\r\n354 go\r\n250 ok\r\n"
    sent, reports = converse(new_session(b"a", b"b", b"c"), [wire], b"")
    assert sent.endswith(b"RCPT TO:<c>\r\nDATA\r\n.\r\nQUIT\r\n")
    assert [record[:1] for record in reports.split(b"\0")] == [
        *(b"r", b"h", b"s", b"K", b"")
    ]


@pytest.mark.parametrize(
    "address",
    [
        *(b"a\r\nRSET\r\n@b", b"a@b\nDATA", b"\r"),
        *(b"a@b> NOTIFY=NEVER", b"a@b c", b"a@<b", b"a@b\t", b"a@b\0", b"a@b\177"),
    ],
)
def test_client_line_end_in_recipient_is_never_sent(address: bytes) -> None:
    wire = GREETED + b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"
    sent, reports = converse(new_session(address, b"good"), [wire], b"")
    assert b"<" + address not in sent
    assert reports.startswith(
        b"hSMTP has no way to write this address. (#5.1.3)\n\0r\0"
    )
    sent, reports = converse(new_session(address), [wire], b"")
    assert reports.endswith(b"DGiving up on IP.\n\0")
    assert b"DATA" not in sent


def test_client_partial_line_sends_no_end_mark() -> None:
    session = new_session()
    session.receive(READY)
    while (event := session.next_event()) is not None:
        if event.kind == client.BODY:
            session.message(b"a\nb")
            assert session.end_of_message() is None
    with pytest.raises(RuntimeError):
        session.message(b"c")


EIGHT = b"na\xc3\xafve\n"
OFFERS = [
    (b"250 me\r\n", EIGHT, b""),
    (b"250-me\r\n250 SIZE\r\n", EIGHT, b" SIZE=8"),
    (b"250-me\r\n250 8BITMIME\r\n", EIGHT, b" BODY=8BITMIME"),
    (b"250-me\r\n250 8BITMIME\r\n", b"seven\n", b""),
    (
        b"250-me\r\n250-size 9\r\n250-PIPELINING\r\n250 8bitmime\r\n",
        EIGHT,
        b" SIZE=8 BODY=8BITMIME",
    ),
    (b"502 no\r\n250-me\r\n250-SIZE\r\n250 8BITMIME\r\n", EIGHT, b""),
]


@pytest.mark.parametrize(("hello", "message", "parameters"), OFFERS)
def test_client_says_of_the_message_what_the_server_can_use(
    hello: bytes, message: bytes, parameters: bytes
) -> None:
    measure = Measure()
    measure.feed(message)
    wire = b"220 hi\r\n" + hello + b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"
    for parts in pieces(wire):
        sent, reports = converse(new_session(), parts, message, measure)
        assert b"\r\nMAIL FROM:<s@a>" + parameters + b"\r\n" in sent
        assert reports.endswith(b"KIP accepted message.\nRemote host said: 250 ok\n\0")


def test_client_message_that_cannot_be_measured_goes_without_parameters() -> None:
    wire = b"220 hi\r\n250-me\r\n250-SIZE\r\n250 8BITMIME\r\n550 no\r\n"
    sent, _ = converse(new_session(), [wire], EIGHT, None)
    assert sent == b"EHLO me\r\nMAIL FROM:<s@a>\r\nQUIT\r\n"
    with pytest.raises(RuntimeError):
        new_session().measured(None)


ELSEWHERE = [
    (b"", True),
    (b"220", True),
    (b"421 no\r\n", True),
    (b"554 no\r\n", True),
    (b"220 hi\r\n", True),
    (b"220 hi\r\n421 bye\r\n", True),
    (b"220 hi\r\n500 no\r\n", True),
    (b"220 hi\r\n500 no\r\n550 no\r\n", True),
    (b"220 hi\r\n500 no\r\n450 no\r\n", True),
    (GREETED, True),
    (GREETED + b"421 no\r\n", True),
    (GREETED + b"451 no\r\n", False),
    (GREETED + b"521 no\r\n", False),
    (GREETED + b"250 ok\r\n", True),
    (GREETED + b"250 ok\r\n250-ok\r\n", True),
    (GREETED + b"250 ok\r\n250 ok\r\n", False),
    (GREETED + b"250 ok\r\n421 no\r\n", False),
    (READY, False),
    (READY + b"250 ok\r\n", False),
    (READY + b"451 no\r\n", False),
]


@pytest.mark.parametrize(("wire", "is_elsewhere"), ELSEWHERE)
def test_client_another_server_may_be_asked_until_this_has_had_a_say(
    wire: bytes, is_elsewhere: bool
) -> None:
    session = new_session()
    session.receive(wire)
    session.receive(b"")
    has_reported = False
    while (event := session.next_event()) is not None:
        has_reported |= event.kind == client.RECIPIENT
        if event.kind == client.BODY:
            session.end_of_message()
        if event.kind == client.DONE:
            assert event.outcome is not None
            assert event.outcome.is_elsewhere is is_elsewhere
            assert not (is_elsewhere and has_reported)


@pytest.mark.parametrize("wire", [GREETED, GREETED + b"250 ok\r\n"])
def test_client_no_other_server_is_asked_once_a_recipient_was_refused_here(
    wire: bytes,
) -> None:
    session = new_session(b"a@b c", b"good")
    session.receive(wire)
    session.receive(b"")
    has_reported = False
    while (event := session.next_event()) is not None:
        has_reported |= event.kind == client.RECIPIENT
        if event.outcome is not None and event.kind == client.DONE:
            assert event.outcome.is_elsewhere is not has_reported
    assert has_reported is wire.endswith(b"ok\r\n")


@pytest.mark.parametrize("before", [b"", GREETED, READY])
def test_client_reply_without_end_is_a_dead_connection(before: bytes) -> None:
    wire = before + b"250-on and on\r\n" * (MAX_BYTES // 15 + 1) + b"250 ok\r\n"
    _, reports = converse(new_session(), [wire], b"")
    perhaps = b"Possible duplicate! " if before == READY else b""
    assert reports.endswith(
        b"ZConnected to IP but connection died. " + perhaps + b"(#4.4.2)\n\0"
    )


@pytest.mark.parametrize(
    ("said", "report_text"),
    [
        (
            b"552 too much\r\n",
            b"DIP failed after I sent the message.\nRemote host said: 552 too much\n\0",
        ),
        (
            b"452 full\r\n",
            b"ZIP failed after I sent the message.\nRemote host said: 452 full\n\0",
        ),
        (b"250 ok\r\n", b"ZConnected to IP but connection died. (#4.4.2)\n\0"),
        (b"", b"ZConnected to IP but connection died. (#4.4.2)\n\0"),
    ],
)
def test_client_server_that_stops_taking_the_message_is_heard(
    said: bytes, report_text: bytes
) -> None:
    session = new_session()
    session.receive(READY)
    while (event := session.next_event()) is not None:
        if event.kind == client.BODY:
            session.message(b"a\n")
            session.broken_off()
            session.receive(said)
            session.receive(b"")
        if event.kind == client.DONE:
            assert event.outcome is not None
            assert report.of(event.outcome, b"IP") == report_text
