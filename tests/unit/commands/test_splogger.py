"""What splogger makes of lines."""

from __future__ import annotations

import pytest

from qmail.commands.splogger import Messages, parse_facility
from tests.support.trickle import pieces

pytestmark = pytest.mark.usefixtures("utc")

NOW = 1_000_000_000_123_456_789
STAMP = b"1000000000.123456"
HEAD = b"Sep  9 01:46:40 tag: " + STAMP


def sent(text: bytes) -> list[bytes]:
    results = []
    for cuts in pieces(text):
        messages = Messages(b"tag", 2)
        results.append([m for cut in [*cuts, b""] for m in messages.feed(cut, NOW)])
    assert all(result == results[0] for result in results)
    return results[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"hello\n", [b"<22>" + HEAD + b" hello"]),
        (b"\n\nx\n", [b"<22>" + HEAD + b" x"]),
        (b"alert: disk\n", [b"<17>" + HEAD + b" alert: disk"]),
        (b"warning: disk\n", [b"<20>" + HEAD + b" warning: disk"]),
        (b"an alert: no\n", [b"<22>" + HEAD + b" an alert: no"]),
        (b"a\tb\x80\x7f\n", [b"<22>" + HEAD + b" a?b??"]),
        (b"x" * 799 + b"\n", [b"<22>" + HEAD + b" " + b"x" * 799]),
        (b"no newline", [b"<22>" + HEAD + b" no newline"]),
    ],
)
def test_line_becomes_message(text: bytes, expected: list[bytes]) -> None:
    assert sent(text) == expected


def test_long_line_is_cut_and_keeps_its_priority() -> None:
    line = b"alert: " + b"y" * 1700
    assert sent(line + b"\nz\n") == [
        b"<17>" + HEAD + b" " + line[:799],
        b"<17>" + HEAD + b"+" + line[799:1598],
        b"<17>" + HEAD + b"+" + line[1598:],
        b"<22>" + HEAD + b" z",
    ]


@pytest.mark.parametrize(
    ("argument", "facility"),
    [(b"16", 16), (b"0", 1), (b"", 1), (b"mail", 1), (b"128", 1), (b"127", 127)],
)
def test_facility_is_what_syslog_would_take(argument: bytes, facility: int) -> None:
    assert parse_facility(argument) == facility
