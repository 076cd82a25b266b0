"""Splitting a message into header fields and body."""

from __future__ import annotations

import pytest

from qmail.mail.header import HeaderReader, field_name, is_field
from tests.support.trickle import pieces

CASES: dict[str, tuple[bytes, list[bytes], bytes]] = {
    "fields and body": (
        b"A: b\nC: d\n\nbody\n",
        [b"A: b\n", b"C: d\n"],
        b"\nbody\n",
    ),
    "folded": (b"A: b\n c\n\td\nE: f\n\n", [b"A: b\n c\n\td\n", b"E: f\n"], b"\n"),
    "no blank line": (b"A: b\nhello\nC: d\n", [b"A: b\n"], b"\nhello\nC: d\n"),
    "header alone": (b"A: b\nC: d\n", [b"A: b\n", b"C: d\n"], b""),
    "header without its LF": (b"A: b\nC: d", [b"A: b\n", b"C: d\n"], b""),
    "line without LF that is no field": (b"A: b\nx", [b"A: b\n"], b"\nx\n"),
    "empty": (b"", [], b""),
    "blank line first": (b"\nA: b\n", [], b"\nA: b\n"),
    "folded line first": (b" A: b\n", [], b"\n A: b\n"),
    "mbox line": (b"From x\nA: b\n\n", [b"MBOX-Line: From x\n", b"A: b\n"], b"\n"),
    "CRLF": (b"A: b\r\n\r\nx", [b"A: b\r\n"], b"\n\r\nx"),
}


@pytest.mark.parametrize(
    ("message", "fields", "body"), list(CASES.values()), ids=list(CASES)
)
def test_reader_any_split_gives_the_same(
    message: bytes, fields: list[bytes], body: bytes
) -> None:
    for blocks in pieces(message):
        reader = HeaderReader()
        found: list[bytes] = []
        rest = b""
        for block in blocks:
            if reader.body is None:
                found += reader.feed(block)
            else:
                rest += block
        if reader.body is None:
            found += reader.finish()
        assert found == fields
        assert reader.body is not None
        assert reader.body + rest == body


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"A: b\n", True),
        (b"A:\n", True),
        (b"A \t: b\n", True),
        (b"A B: c\n", False),
        (b": c\n", False),
        (b"A\x7f: c\n", False),
        (b"\xe4: c\n", False),
        (b"A\n", False),
    ],
)
def test_is_field_wants_a_printable_name(line: bytes, expected: bool) -> None:
    assert is_field(line) is expected


def test_field_name_ignores_case_and_blanks() -> None:
    assert field_name(b"Reply-TO \t: x:y\n") == b"reply-to"
