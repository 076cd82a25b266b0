"""POP3 commands and the first reply of netqmail 1.06 to each, about two messages."""

from __future__ import annotations

import pytest

from qmail.pop3.transaction import Session

NAMES = (b"1.a.h", b"2.b.h")
SIZES = (35, 14)

COMMANDS = [
    (b"list 1", b"+OK 1 35\r\n"),
    (b"list 01", b"+OK 1 35\r\n"),
    (b"list +1", b"-ERR syntax error\r\n"),
    (b"list -1", b"-ERR syntax error\r\n"),
    (b"list 0", b"-ERR messages are counted from 1\r\n"),
    (b"list 00", b"-ERR messages are counted from 1\r\n"),
    (b"list 3", b"-ERR not that many messages\r\n"),
    (b"list 999999999999", b"-ERR not that many messages\r\n"),
    (b"list 18446744073709551617", b"+OK 1 35\r\n"),
    (b"list 1x", b"+OK 1 35\r\n"),
    (b"list 1 2", b"+OK 1 35\r\n"),
    (b"list  1", b"+OK 1 35\r\n"),
    (b"list x", b"-ERR syntax error\r\n"),
    (b"list\t1", b"-ERR unimplemented\r\n"),
    (b"uidl 2", b"+OK 2 2.b.h\r\n"),
    (b"uidl 02", b"+OK 2 2.b.h\r\n"),
    (b"uidl 3", b"-ERR not that many messages\r\n"),
    (b"dele 0", b"-ERR messages are counted from 1\r\n"),
    (b"dele 1 2", b"+OK \r\n"),
    (b"dele", b"-ERR syntax error\r\n"),
    (b"retr", b"-ERR syntax error\r\n"),
    (b"retr 0", b"-ERR messages are counted from 1\r\n"),
    (b"retr 3", b"-ERR not that many messages\r\n"),
    (b"top", b"-ERR syntax error\r\n"),
    (b"top x 1", b"-ERR syntax error\r\n"),
    (b"last", b"+OK 0\r\n"),
    (b"last 1", b"+OK 0\r\n"),
    (b"stat x", b"+OK 2 49\r\n"),
    (b"noop x", b"+OK \r\n"),
    (b"rset 1", b"+OK \r\n"),
    (b"", b"-ERR unimplemented\r\n"),
    (b" ", b"-ERR unimplemented\r\n"),
    (b" stat", b"-ERR unimplemented\r\n"),
    (b"capa", b"-ERR unimplemented\r\n"),
    (b"auth", b"-ERR unimplemented\r\n"),
    (b"user x", b"-ERR unimplemented\r\n"),
    (b"LIST 1\x00 2", b"+OK 1 35\r\n"),
    (b"StAt", b"+OK 2 49\r\n"),
]


@pytest.mark.parametrize(("command", "reply"), COMMANDS)
def test_command_is_answered_as_ever(command: bytes, reply: bytes) -> None:
    session = Session(2, SIZES.__getitem__, NAMES.__getitem__)
    session.receive(command + b"\r\n")
    event = session.next_event()
    assert event is not None
    assert event.data == reply
