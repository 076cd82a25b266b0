"""Messages as POP3 sends them, in blocks of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail.pop3.stuffing import Stuffer
from tests.support.trickle import pieces

MAIL = b"A: b\n\none\n.two\n\n..three\n"
CASES = [
    # message, lines, what netqmail 1.06 sends
    (b"", None, b"\r\n.\r\n"),
    (b"\n", None, b"\r\n\r\n.\r\n"),
    (b"a", None, b"a\r\n\r\n.\r\n"),
    (b".", None, b"..\r\n\r\n.\r\n"),
    (b"a\r\n.\r\n\0", None, b"a\r\r\n..\r\r\n\0\r\n\r\n.\r\n"),
    (MAIL, None, b"A: b\r\n\r\none\r\n..two\r\n\r\n...three\r\n\r\n.\r\n"),
    (MAIL, 0, b"A: b\r\n\r\n\r\n.\r\n"),
    (MAIL, 1, b"A: b\r\n\r\none\r\n\r\n.\r\n"),
    (MAIL, 3, b"A: b\r\n\r\none\r\n..two\r\n\r\n\r\n.\r\n"),
    (MAIL, 99, b"A: b\r\n\r\none\r\n..two\r\n\r\n...three\r\n\r\n.\r\n"),
    (b"A: b\nno body", 0, b"A: b\r\nno body\r\n\r\n.\r\n"),
    (b"\nx\ny", 1, b"\r\nx\r\n\r\n.\r\n"),
    (b"\n\n\n", 1, b"\r\n\r\n\r\n.\r\n"),
    (b"\nx\ny", 2, b"\r\nx\r\ny\r\n\r\n.\r\n"),
]


def sent(parts: list[bytes], lines: int | None) -> bytes:
    stuffer = Stuffer(lines)
    out = b""
    for part in parts:
        if not stuffer.is_full:
            out += stuffer.encode(part)
    return out + stuffer.finish()


@pytest.mark.parametrize(("message", "lines", "wire"), CASES)
def test_message_in_any_blocks_is_sent_as_the_original_does(
    message: bytes, lines: int | None, wire: bytes
) -> None:
    for parts in pieces(message):
        assert sent(parts, lines) == wire


@given(
    st.lists(st.text(alphabet=".a\r\n", max_size=6).map(str.encode)),
    st.one_of(st.none(), st.integers(0, 4)),
)
def test_client_gets_back_what_was_stored(
    parts: list[bytes], lines: int | None
) -> None:
    message = b"".join(parts)
    wire = sent(parts, lines)
    assert wire == sent([message], lines)
    body = wire.removesuffix(b"\r\n.\r\n")
    got = [line.removeprefix(b".") for line in body.split(b"\r\n")]
    stored = message.split(b"\n")
    # The one thing that is lost is whether the last line had an end.
    if not stored[-1]:
        stored.pop()
    if not got[-1]:
        got.pop()
    if lines is not None and b"" in stored:
        stored = stored[: stored.index(b"") + 1 + lines]
    assert got == stored


def test_rest_of_a_message_is_not_wanted_after_the_last_line() -> None:
    stuffer = Stuffer(1)
    stuffer.encode(b"\none\n")
    assert not stuffer.is_full
    assert stuffer.encode(b"two\n" * 1000) == b""
    assert stuffer.is_full
