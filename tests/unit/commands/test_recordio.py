"""The lines of recordio's log."""

from __future__ import annotations

import pytest

from pytools.commands.recordio import entries


@pytest.mark.parametrize(
    ("piece", "text"),
    [
        (b"one\n", b"7 < one \n"),
        (b"one", b"7 < one+\n"),
        (b"\n", b"7 <  \n"),
        (b"one\n\ntwo", b"7 < one \n7 <  \n7 < two+\n"),
        (b"\0\r\xff\n", b"7 < \0\r\xff \n"),
    ],
)
def test_each_line_is_an_entry(piece: bytes, text: bytes) -> None:
    assert entries(b"7 < ", piece) == text


def test_entries_of_a_piece_fit_into_one_write() -> None:
    assert len(entries(b"4194304 < ", b"\n" * 256)) <= 4096
