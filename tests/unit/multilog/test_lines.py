"""Splitting blocks into lines, and labelling them."""

from __future__ import annotations

from collections.abc import Callable

from pytools.base.tai import tai64n
from pytools.multilog.lines import WINDOW, Splitter, label, label_lines

SECOND = 10**9


def ticking(start: int, step: int = 1) -> Callable[[], int]:
    now = [start - step]

    def clock() -> int:
        now[0] += step
        return now[0]

    return clock


def test_partial_line_is_held_until_it_is_whole() -> None:
    splitter = Splitter()
    chunk = splitter.feed(b"one\ntw")
    assert (chunk.tail, chunk.lines, chunk.head) == (b"", b"one\n", b"")
    assert splitter.feed(b"o\n").lines == b"two\n"


def test_end_of_file_adds_the_missing_newline() -> None:
    splitter = Splitter()
    splitter.feed(b"last")
    assert splitter.finish().lines == b"last\n"
    assert splitter.finish().lines == b""


def test_long_line_is_passed_on_as_it_comes() -> None:
    splitter = Splitter()
    assert splitter.feed(b"x" * (WINDOW - 1)).head == b""
    assert splitter.feed(b"x").head == b"x" * WINDOW
    assert splitter.feed(b"y").tail == b"y"
    chunk = splitter.feed(b"z\nnext\n")
    assert (chunk.tail, chunk.lines) == (b"z\n", b"next\n")


def test_long_line_cut_off_by_end_of_file_gets_its_newline() -> None:
    splitter = Splitter()
    splitter.feed(b"x" * WINDOW)
    assert splitter.finish().tail == b"\n"


def test_label_is_taken_when_the_first_byte_comes() -> None:
    now = [5 * SECOND + 7]
    splitter = Splitter(lambda: now[0])
    assert splitter.feed(b"be").lines == b""
    now[0] = 6 * SECOND
    lines = splitter.feed(b"gun\nnew\n").lines
    assert lines == label(5 * SECOND + 7) + b"begun\n" + label(6 * SECOND) + b"new\n"


def test_label_counts_in_the_window() -> None:
    splitter = Splitter(lambda: 0)
    assert splitter.feed(b"x" * (WINDOW - 27)).head == b""
    assert len(splitter.feed(b"x").head) == WINDOW


def test_label_is_a_tai64n_stamp() -> None:
    assert label(1234567890 * SECOND + 5) == (
        b"@" + tai64n(1234567890 * SECOND + 5) + b" "
    )


def test_lines_of_a_block_are_labelled_with_fresh_readings() -> None:
    lines = label_lines(b"a\n\nb\n", ticking(3 * SECOND)).splitlines()
    assert [line[26:] for line in lines] == [b"a", b"", b"b"]
    assert sorted(set(lines)) == lines


def test_block_over_the_end_of_a_second_is_labelled_right() -> None:
    lines = label_lines(b"a\n" * 6, ticking(4 * SECOND - 3)).splitlines()
    stamps = [int(line[1:17], 16) * SECOND + int(line[17:25], 16) for line in lines]
    assert stamps == sorted(stamps)
    assert all(int(line[17:25], 16) < SECOND for line in lines)


def test_clock_set_back_within_a_block_gives_valid_labels() -> None:
    times = iter([SECOND + 5, SECOND + 6, *[SECOND - 9] * 9])
    lines = label_lines(b"a\nb\n", lambda: next(times)).splitlines()
    assert all(len(line) == 27 and b"-" not in line for line in lines)
