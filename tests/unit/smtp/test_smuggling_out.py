"""The tables of smtp-smuggling(7), MESSAGES SMUGGLED OUT: read from the page, and held
against the client's encoder, a model of the original, and receivers of every kind."""

from __future__ import annotations

import re

import pytest

from qmail.smtp.data import Encoder
from tests.conftest import CHECKOUT
from tests.support.trickle import pieces

PAGE = (CHECKOUT / "man/man7/smtp-smuggling.7").read_text()
SPELLED = [(rb"\er", b"\r"), (rb"\en", b"\n"), (rb"\e0", b"\0"), (b"_", b" ")]
FAILS = "D"
Row = tuple[str, list[str]]


def table(heading: str) -> list[Row]:
    """(the first column, the three others with ``same`` spelled out) of each row."""
    section = PAGE.partition(".Sh MESSAGES SMUGGLED OUT\n")[2].partition("\n.Sh ")[0]
    part = section.partition(f".Ss {heading}\n")[2].partition("\n.Ss ")[0]
    rows = []
    for line in re.findall(r"^\.It (?!Sy )(.*)$", part, re.MULTILINE):
        first, *others = line.split(" Ta ")
        for at, cell in enumerate(others):
            if cell == "same":
                others[at] = others[at - 1]
        rows.append((first, others))
    return rows


INSIDE, ENDS = table("Inside"), table("The end of a message")


def bytes_of(cell: str) -> bytes:
    data = b"" if cell == "nothing" else cell.encode()
    for spelling, byte in SPELLED:
        data = data.replace(spelling, byte)
    assert set(data) <= set(b"\r\n\0 ."), cell
    return data


def messages() -> list[tuple[bytes, list[bytes | None]]]:
    """(stored, the three wire forms without the end mark; None: it is not sent)."""
    found: list[tuple[bytes, list[bytes | None]]] = []
    for first, others in INSIDE:
        wires: list[bytes | None] = [b"a%bb\r\n" % bytes_of(cell) for cell in others]
        found.append((b"a%bb\n" % bytes_of(first), wires))
    for first, others in ENDS:
        wires = [None if cell == FAILS else b"a" + bytes_of(cell) for cell in others]
        found.append((b"a" + bytes_of(first), wires))
    return found


MESSAGES = messages()


def originals(stored: bytes) -> bytes | None:
    """What the original sends: LF becomes CR LF, a line's first dot is doubled."""
    if not stored.endswith(b"\n"):
        return None
    lines = stored.split(b"\n")
    return b"\r\n".join(b"." + line if line[:1] == b"." else line for line in lines)


# What receivers take for the end of a line, and what some leave out before they look.
LINE_ENDS = [rb"\r\n", rb"\r?\n", rb"\r\n|\r|\n", rb"\r+\n?|\n", rb"\n\r|\r\n"]
LEFT_OUT = [b"", b"\0", b"\r", b"\0\r"]


def ends_seen(wire: bytes) -> set[tuple[bytes, bytes]]:
    """The receivers that see a dot alone in what is before the end mark."""
    seen = set()
    for line_end in LINE_ENDS:
        for left_out in LEFT_OUT:
            lines = re.split(line_end, wire.translate(None, left_out))
            if b"." in lines:
                seen.add((line_end, left_out))
    return seen


def test_tables_are_whole() -> None:
    assert len(INSIDE) >= 25
    assert len(ENDS) >= 9
    assert all(len(others) == 3 for _, others in INSIDE + ENDS)
    stored = [message for message, _ in MESSAGES]
    assert len(set(stored)) == len(stored)
    # Every spelling of a dot alone with up to two bytes on either side is in one row.
    for before in (b"\n", b"\r", b"\r\n", b"\n\r"):
        for after in (b"\n", b"\r\n"):
            assert b"a" + before + b"." + after + b"b\n" in stored


@pytest.mark.parametrize(
    ("stored", "wire"),
    [(stored, wires[0]) for stored, wires in MESSAGES],
    ids=[repr(stored) for stored, _ in MESSAGES],
)
def test_encoder_sends_what_the_page_says(stored: bytes, wire: bytes | None) -> None:
    for parts in pieces(stored):
        encoder = Encoder()
        sent = b"".join(map(encoder.feed, parts))
        if wire is None:
            assert encoder.is_partial
        else:
            assert (sent, encoder.finish()) == (wire, b".\r\n")
            assert ends_seen(sent) == set()


@pytest.mark.parametrize(
    ("stored", "wire"),
    [(stored, wires[1]) for stored, wires in MESSAGES],
    ids=[repr(stored) for stored, _ in MESSAGES],
)
def test_page_has_what_the_original_was_seen_to_send(
    stored: bytes, wire: bytes | None
) -> None:
    assert wire == originals(stored)


def test_receivers_see_ends_in_what_the_original_sends() -> None:
    """So the receivers above can tell."""
    seen = [ends_seen(wires[1]) for _, wires in MESSAGES if wires[1] is not None]
    assert sum(bool(receivers) for receivers in seen) >= 8
    assert set.union(*seen) >= {(LINE_ENDS[2], b""), (LINE_ENDS[0], b"\0")}
