"""What smtp-smuggling(7) says of messages that come in, row by row, in any pieces.

A receiver that takes anything but CR LF dot CR LF for the end lets whoever writes a
message write a second one, with an envelope of its own, into it.
"""

from __future__ import annotations

import pytest

from qmail.smtp.lines import MAX_LINE
from qmail.smtp.server import Session
from tests.support.smuggling import rows, to_bytes
from tests.support.trickle import pieces
from tests.unit.smtp.dialogue import Caller

SECTION = "MESSAGES SMUGGLED IN"
ENDS = rows(SECTION, "The end of a message")
COMMANDS = rows(SECTION, "Commands")

BEGIN = b"MAIL FROM:<s>\r\nRCPT TO:<r@ok>\r\nDATA\r\na"
FORGED = b"MAIL FROM:<forged>\r\nRCPT TO:<r@ok>\r\nDATA\r\nforged"
FORGED_ON_DISK = FORGED.replace(b"\r", b"")
END = b"\r\n.\r\n"
COMMAND_CODES = {b"250 ", b"354 "}


def run(parts: list[bytes]) -> Caller:
    caller = Caller(Session(b"me"))
    for part in parts:
        caller.feed(part)
    return caller


def test_smuggling_tables_are_whole() -> None:
    assert (len(ENDS), len(COMMANDS)) == (29, 14)
    assert {len(row) for row in ENDS + COMMANDS} == {4}
    # What does not end a message is text, or refused; what the original refuses, too.
    assert {row[1] == "550" for row in ENDS if row[2] == "451"} == {True}
    assert {row[2] for row in ENDS} == {"451", "same"}


@pytest.mark.parametrize(("sent", "cell"), [row[:2] for row in ENDS], ids=str)
def test_smuggling_message_ends_where_the_page_says(sent: str, cell: str) -> None:
    wire = BEGIN + to_bytes(sent) + FORGED + END
    for parts in pieces(wire):
        caller = run(parts)
        if cell.isdigit():
            assert caller.messages == []
            assert caller.ended == b"error"
            assert caller.codes[-1] == cell.encode() + b" "
            assert set(caller.codes[:-1]) == COMMAND_CODES
            continue
        stored, ends, _ = cell.partition(", end")
        text = b"a" + to_bytes(stored)
        bodies = [text, b"forged\n"] if ends else [text + FORGED_ON_DISK + b"\n"]
        assert [body for _, _, body in caller.messages] == bodies
        assert [sender for sender, _, _ in caller.messages][1:] == [b"forged"] * bool(
            ends
        )
        assert not caller.ended


@pytest.mark.parametrize(("sent", "cell"), [row[:2] for row in COMMANDS], ids=str)
def test_smuggling_command_gets_the_answers_of_the_page(sent: str, cell: str) -> None:
    for parts in pieces(to_bytes(sent)):
        caller = run(parts)
        words = cell.split()
        assert (caller.ended == b"error") == ("over" in words)
        codes = [code.decode().strip() for code in caller.codes]
        assert codes == [word for word in words if word != "over"]


@pytest.mark.parametrize("middle", [b"x" * MAX_LINE, b"x" * 100_000])
def test_smuggling_behind_a_long_line_is_the_next_command(middle: bytes) -> None:
    wire = b"NOOP " + middle + b"\r\nRSET\r\n"
    for parts in pieces(wire):
        assert run(parts).codes == [b"500 ", b"250 "]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_smuggling_line_of_greatest_length_is_a_command(end: bytes) -> None:
    wire = b"NOOP " + b"x" * (MAX_LINE - 5) + end + b"QUIT\r\n"
    for parts in ([wire], [wire[: MAX_LINE + 1], wire[MAX_LINE + 1 :]]):
        assert run(parts).codes == [b"250 ", b"221 "]


@pytest.mark.parametrize("lax_end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", END])
def test_smuggling_refusal_comes_at_an_end_that_somebody_sees(lax_end: bytes) -> None:
    wire = BEGIN + b"\nbare\r\n" + b"x" * 100 + lax_end
    for parts in pieces(wire):
        caller = run(parts)
        assert caller.codes[-1] == b"550 "
    for parts in pieces(wire[:-1]):
        caller = run(parts)
        assert caller.codes[-1] == b"354 "
        assert not caller.ended
