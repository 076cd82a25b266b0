"""Replies and what becomes of them: netqmail 1.06 as it was seen, and ours.

Of a conversation that goes well, the replies to one step are other ones; None: the
server hangs up. EHLO is refused, so both say the same.
"""

from __future__ import annotations

import pytest

from qmail.remote import report
from qmail.smtp import client
from qmail.smtp.client import ClientSession

WELL = {
    "GREET": [b"220 hi"],
    "EHLO": [b"502 what"],
    "HELO": [b"250 hello"],
    "MAIL": [b"250 ok"],
    "RCPT": [b"250 ok"],
    "DATA": [b"354 go"],
    "DOT": [b"250 ok"],
}
ROWS: list[tuple[str, list[bytes | None], bytes, bytes, bytes]] = [
    # Step, replies, the original's letters and last report, our last letter if another.
    ("GREET", [b"221 x"], b"Z", b"Connected to IP but greeting failed.", b""),
    ("GREET", [b"250 x"], b"Z", b"Connected to IP but greeting failed.", b""),
    ("GREET", [b"421 x"], b"Z", b"Connected to IP but greeting failed.", b""),
    ("GREET", [b"554 x"], b"Z", b"Connected to IP but greeting failed.", b""),
    ("GREET", [b"nonsense"], b"Z", b"Connected to IP but greeting failed.", b""),
    ("GREET", [b"22"], b"Z", b"Connected to IP but greeting failed.", b""),
    ("GREET", [b"220-a\r\n220 b"], b"rK", b"IP accepted message.", b""),
    ("GREET", [None], b"Z", b"Connected to IP but connection died. (#4.4.2)", b""),
    ("HELO", [b"251 x"], b"Z", b"Connected to IP but my name was rejected.", b""),
    ("HELO", [b"421 x"], b"Z", b"Connected to IP but my name was rejected.", b""),
    ("HELO", [b"550 x"], b"Z", b"Connected to IP but my name was rejected.", b""),
    ("HELO", [b"250-a\r\n250-b\r\n250 c"], b"rK", b"IP accepted message.", b""),
    ("HELO", [b"garbage"], b"Z", b"Connected to IP but my name was rejected.", b""),
    ("HELO", [None], b"Z", b"Connected to IP but connection died. (#4.4.2)", b""),
    ("MAIL", [b"251 x"], b"rK", b"IP accepted message.", b""),
    ("MAIL", [b"354 x"], b"rK", b"IP accepted message.", b""),
    ("MAIL", [b"421 x"], b"Z", b"Connected to IP but sender was rejected.", b""),
    ("MAIL", [b"450 x"], b"Z", b"Connected to IP but sender was rejected.", b""),
    ("MAIL", [b"550 x"], b"D", b"Connected to IP but sender was rejected.", b""),
    ("MAIL", [b"600 x"], b"D", b"Connected to IP but sender was rejected.", b"Z"),
    ("MAIL", [b"xyz"], b"D", b"Connected to IP but sender was rejected.", b"Z"),
    ("MAIL", [b"250-a\r\n550 b"], b"rK", b"IP accepted message.", b""),
    (
        "MAIL",
        [b"550-a\r\n250 b"],
        b"D",
        b"Connected to IP but sender was rejected.",
        b"",
    ),
    ("MAIL", [b"550 a\0b"], b"D", b"Connected to IP but sender was rejected.", b""),
    ("MAIL", [b"550 a\rb"], b"D", b"Connected to IP but sender was rejected.", b""),
    ("MAIL", [None], b"Z", b"Connected to IP but connection died. (#4.4.2)", b""),
    ("DATA", [b"250 x"], b"rK", b"IP accepted message.", b"Z"),
    ("DATA", [b"221 x"], b"rK", b"IP accepted message.", b"Z"),
    ("DATA", [b"421 x"], b"rZ", b"IP failed on DATA command.", b""),
    ("DATA", [b"451 x"], b"rZ", b"IP failed on DATA command.", b""),
    ("DATA", [b"554 x"], b"rD", b"IP failed on DATA command.", b""),
    ("DATA", [b"999 x"], b"rD", b"IP failed on DATA command.", b"Z"),
    ("DATA", [None], b"rZ", b"Connected to IP but connection died. (#4.4.2)", b""),
    ("DOT", [b"251 x"], b"rK", b"IP accepted message.", b""),
    ("DOT", [b"354 x"], b"rK", b"IP accepted message.", b"Z"),
    ("DOT", [b"100 x"], b"rK", b"IP accepted message.", b"Z"),
    ("DOT", [b"451 x"], b"rZ", b"IP failed after I sent the message.", b""),
    ("DOT", [b"554 x"], b"rD", b"IP failed after I sent the message.", b""),
    ("DOT", [b"600 x"], b"rD", b"IP failed after I sent the message.", b"Z"),
    ("DOT", [b"hm"], b"rD", b"IP failed after I sent the message.", b"Z"),
    ("DOT", [b"250-a\r\n550 b"], b"rK", b"IP accepted message.", b""),
    (
        "DOT",
        [None],
        b"rZ",
        b"Connected to IP but connection died. Possible duplicate! (#4.4.2)",
        b"",
    ),
    ("RCPT", [b"250 a", b"550 b", b"450 c"], b"rhsK", b"IP accepted message.", b""),
    ("RCPT", [b"450 a", b"451 b", b"452 c"], b"sssD", b"Giving up on IP.", b""),
    ("RCPT", [b"550 a", b"550 b", b"554 c"], b"hhhD", b"Giving up on IP.", b""),
    ("RCPT", [b"354 a"], b"rK", b"IP accepted message.", b""),
    ("RCPT", [b"421 a"], b"sD", b"Giving up on IP.", b""),
    (
        "RCPT",
        [b"250 a", None],
        b"rZ",
        b"Connected to IP but connection died. (#4.4.2)",
        b"",
    ),
]
PHRASES = {b"IP failed on DATA command.", b"IP failed after I sent the message."}


def converse(step: str, replies: list[bytes | None]) -> list[bytes]:
    """The reports."""
    said: dict[str, list[bytes | None]] = {name: [*WELL[name]] for name in WELL}
    said[step] = [*replies]
    session = ClientSession(
        b"me", b"s@a", [b"r%d@b" % n for n in range(len(said["RCPT"]))]
    )

    def reply(name: str) -> None:
        text = said[name].pop(0)
        session.receive(b"" if text is None else text + b"\r\n")

    reports: list[bytes] = []
    reply("GREET")
    while (event := session.next_event()) is not None:
        if event.kind == client.SEND:
            reply(event.data[:4].decode())
        elif event.kind == client.BODY:
            session.message(b"x\n")
            session.end_of_message()
            reply("DOT")
        else:
            assert event.outcome is not None
            reports.append(report.of(event.outcome, b"IP"))
    return reports


@pytest.mark.parametrize(("step", "replies", "letters", "last", "ours"), ROWS)
def test_reply_leads_where_it_led(
    step: str, replies: list[bytes | None], letters: bytes, last: bytes, ours: bytes
) -> None:
    reports = converse(step, replies)
    said = b"".join(record[:1] for record in reports)
    line = reports[-1][1:].partition(b"\n")[0]
    if ours:
        assert ours != letters[-1:]
        assert said == letters[:-1] + ours
        assert line in {last, *PHRASES}
    else:
        assert (said, line) == (letters, last)
