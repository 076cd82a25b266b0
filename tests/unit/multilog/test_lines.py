"""Splitting blocks into lines, and labelling them."""

from __future__ import annotations

import pytest

from pytools.base.tai import tai64n
from pytools.multilog.lines import WINDOW, Splitter, label, label_lines

SECOND = 10**9


def test_partial_line_is_held_until_it_is_whole() -> None:
    splitter = Splitter()
    chunk = splitter.feed(b"one\ntw")
    assert (chunk.tail, chunk.text(), chunk.head) == (b"", b"one\n", b"")
    assert splitter.feed(b"o\n").text() == b"two\n"


def test_end_of_file_adds_the_missing_newline() -> None:
    splitter = Splitter()
    splitter.feed(b"last")
    assert splitter.finish().text() == b"last\n"
    assert splitter.finish().text() == b""


def test_long_line_is_passed_on_as_it_comes() -> None:
    splitter = Splitter()
    assert splitter.feed(b"x" * (WINDOW - 1)).head == b""
    assert splitter.feed(b"x").head == b"x" * WINDOW
    assert splitter.feed(b"y").tail == b"y"
    chunk = splitter.feed(b"z\nnext\n")
    assert (chunk.tail, chunk.text()) == (b"z\n", b"next\n")


def test_long_line_cut_off_by_end_of_file_gets_its_newline() -> None:
    splitter = Splitter()
    splitter.feed(b"x" * WINDOW)
    assert splitter.finish().tail == b"\n"


def test_label_is_taken_when_the_first_byte_comes() -> None:
    now = [5 * SECOND + 7]
    splitter = Splitter(lambda: now[0])
    assert splitter.feed(b"be").text() == b""
    now[0] = 6 * SECOND
    lines = splitter.feed(b"gun\nnew\n").text()
    assert lines == label(5 * SECOND + 7) + b"begun\n" + label(6 * SECOND) + b"new\n"


def test_label_counts_in_the_window() -> None:
    splitter = Splitter(lambda: 0)
    assert splitter.feed(b"x" * (WINDOW - 27)).head == b""
    assert len(splitter.feed(b"x").head) == WINDOW


def test_label_is_a_tai64n_stamp() -> None:
    assert label(1234567890 * SECOND + 5) == (
        b"@" + tai64n(1234567890 * SECOND + 5) + b" "
    )


@pytest.mark.parametrize("ns", [3 * SECOND, 3 * SECOND + 0x2FE, 7, SECOND - 1000])
def test_lines_of_a_block_are_labelled_one_nanosecond_apart(ns: int) -> None:
    lines = label_lines(b"a\n\n" * 300, ns)
    assert lines == [
        label(ns + number) + (b"" if number % 2 else b"a") for number in range(600)
    ]


def test_block_over_the_end_of_a_second_is_labelled_in_the_next() -> None:
    lines = label_lines(b"a\n" * 6, 4 * SECOND - 3)
    assert lines == [label(4 * SECOND + number) + b"a" for number in range(6)]


def test_end_of_a_line_that_began_earlier_gets_no_label() -> None:
    assert label_lines(b"end\na\n", 5, mid_line=True) == [b"end", label(5) + b"a"]
    assert label_lines(b"end\n", 5, mid_line=True) == [b"end"]
