"""pytools/ucspi/log.py: the bytes of tcpserver's log."""

from __future__ import annotations

import errno

import pytest

from pytools.ucspi.log import NORMAL, QUIET, Log, field


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, b""),
        (b"", b""),
        (b"mail.example.org", b"mail.example.org"),
        (b"a b:%c\x80\x7f\t\n\0", b"a?b??c??????"[:11]),
        (b"x" * 99, b"x" * 99),
        (b"x" * 100, b"x" * 100 + b"..."),
        (b":" * 101, b"?" * 100 + b"..."),
    ],
)
def test_field_is_printable_and_bounded(text: bytes | None, shown: bytes) -> None:
    assert field(text) == shown


def test_fatal_names_the_reason() -> None:
    end = Log(NORMAL).fatal(b"unable to bind", error=OSError(errno.EADDRINUSE, ""))
    assert end.code == 111
    assert end.text == b"tcpserver: fatal: unable to bind: address already used"


def test_quiet_server_says_nothing() -> None:
    end = Log(QUIET).dropping(b"unable to read x", error=OSError(errno.ENOENT, ""))
    assert (end.code, end.text) == (111, b"")
