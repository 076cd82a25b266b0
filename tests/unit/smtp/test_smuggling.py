"""Only CR LF dot CR LF ends a message; every other spelling is refused or is text.

A receiver that takes another one lets whoever writes a message write a second one, with
an envelope of its own, into it.
"""

from __future__ import annotations

import pytest

from qmail.smtp.server import Session
from tests.support.trickle import pieces
from tests.unit.smtp.dialogue import Caller

BEGIN = b"MAIL FROM:<s>\r\nRCPT TO:<r@ok>\r\nDATA\r\n"
SECOND = b"MAIL FROM:<forged>\r\nRCPT TO:<r@ok>\r\nDATA\r\nforged\r\n.\r\n"

WITH_BARE_LF = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\n\n.\r\n", b"\r\r\n\n.\r\n"]
TEXT = [b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n .\r\n"]


@pytest.mark.parametrize("end", WITH_BARE_LF)
def test_smuggling_end_with_bare_lf_ends_the_session(end: bytes) -> None:
    for parts in pieces(BEGIN + b"a" + end + SECOND):
        caller = Caller(Session(b"me"))
        for part in parts:
            caller.feed(part)
        assert caller.messages == []
        assert caller.codes[-1] == b"451 "
        assert caller.ended == b"error"


@pytest.mark.parametrize("end", TEXT)
def test_smuggling_other_end_is_text(end: bytes) -> None:
    for parts in pieces(BEGIN + b"a" + end + SECOND):
        caller = Caller(Session(b"me"))
        for part in parts:
            caller.feed(part)
        assert [sender for sender, _, _ in caller.messages] == [b"s"]
        assert b"MAIL FROM:<forged>" in caller.messages[0][2]
