"""A session beside what the original did, row by row."""

from __future__ import annotations

import pytest

from qmail.queue import exitcodes
from qmail.smtp import server
from qmail.smtp.server import Session
from tests.support.smtpd_original_sessions import HOPS, PERMANENT, SIZES, STATES
from tests.unit.smtp.dialogue import Caller

MAIL = b"MAIL FROM:<s@a.example>\r\n"
RCPT = b"RCPT TO:<r@ok>\r\n"
BEGIN = MAIL + RCPT + b"DATA\r\n"
END = b".\r\n"
SHORT = {b"M": MAIL, b"R": RCPT, b"D": b"DATA\r\nx\r\n" + END}


class Host(Caller):
    """Takes mail for an address without ``@``, too."""

    def _handle(self, event: server.Event) -> None:
        if event.kind == server.RCPT and b"@" not in event.data:
            self.sent += self.session.recipient_ok()
        else:
            super()._handle(event)


@pytest.mark.parametrize(("commands", "codes"), STATES.items())
def test_commands_leave_the_state_that_they_left_in_the_original(
    commands: bytes, codes: bytes
) -> None:
    caller = Host(Session(b"me"))
    for command in commands.replace(b"ok.example", b"ok").split(b"|")[:-1]:
        caller.feed(SHORT.get(command, command + b"\r\n"))
    caller.feed(b"QUIT\r\n")
    assert b"".join(caller.codes).split() == codes.split()


@pytest.mark.parametrize(("limit", "message", "too_big"), SIZES)
def test_message_is_too_big_where_it_was_for_the_original(
    limit: bytes, message: bytes, too_big: bool
) -> None:
    caller = Caller(Session(b"me", max_size=int(limit)))
    caller.feed(BEGIN + message + END)
    assert caller.codes[-1] == (b"552 " if too_big else b"250 ")


@pytest.mark.parametrize(("field", "too_many"), HOPS.items())
def test_hops_are_too_many_where_they_were_for_the_original(
    field: bytes, too_many: tuple[bool, bool]
) -> None:
    for count, is_looping in zip((99, 100), too_many, strict=True):
        caller = Caller(Session(b"me"))
        caller.feed(BEGIN + (field + b": x\r\n") * count + b"\r\nbody\r\n" + END)
        assert caller.codes[-1] == (b"554 " if is_looping else b"250 ")


def test_queue_programs_exit_codes_are_permanent_where_they_were() -> None:
    # COMPAT: 82 comes with a text of its own here, and the number is temporary there.
    for code in [*range(1, 132), 255]:
        assert exitcodes.verdict(code)[:1] == (b"D" if code in PERMANENT else b"Z")
