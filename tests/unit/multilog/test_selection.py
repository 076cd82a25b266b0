"""The actions of a script on lines: where each goes, and what else it does."""

from __future__ import annotations

from pytools.multilog.lines import Chunk
from pytools.multilog.script import parse
from pytools.multilog.selection import Sorter


def sorted_by(words: list[bytes], lines: bytes) -> tuple[Sorter, list[bytes]]:
    sorter = Sorter(parse(words))
    return sorter, sorter.sort(Chunk(b"", lines, b""))


def test_script_without_patterns_sends_all_everywhere() -> None:
    assert sorted_by([b"./a", b"./b"], b"x\ny\n")[1] == [b"x\ny\n", b"x\ny\n"]


def test_empty_script_discards() -> None:
    assert sorted_by([], b"x\n")[1] == []


def test_selection_changes_from_left_to_right() -> None:
    words = [b"-*x*", b"./a", b"-*", b"+y*", b"./b"]
    assert sorted_by(words, b"x\nyx\ny\n")[1] == [b"y\n", b"yx\ny\n"]


def test_pattern_sees_the_first_1000_bytes_of_a_line() -> None:
    line = b"x" * 1000 + b"END"
    output = sorted_by([b"-*", b"+*E*", b"./a"], line + b"\nxE\n")[1]
    assert output == [b"xE\n"]
    assert sorted_by([b"-" + b"x" * 1000, b"./a"], line + b"\n")[1] == [b""]


def test_long_line_goes_on_where_its_head_went() -> None:
    sorter = Sorter(parse([b"-b*", b"./a", b"+*", b"./b"]))
    head = b"b" * 1000
    assert sorter.sort(Chunk(b"", b"", head)) == [b"", head]
    assert sorter.sort(Chunk(b"more", b"", b"")) == [b"", b"more"]
    assert sorter.sort(Chunk(b"end\n", b"a\n", b"")) == [b"a\n", b"end\na\n"]


def test_alert_shows_200_bytes_and_dots() -> None:
    sorter, _ = sorted_by([b"e"], b"a" * 200 + b"\n" + b"b" * 201 + b"\n")
    assert sorter.take_alerts() == b"a" * 200 + b"\n" + b"b" * 200 + b"...\n"
    assert sorter.take_alerts() == b""


def test_two_alerts_for_a_line_come_line_by_line() -> None:
    sorter, _ = sorted_by([b"e", b"-2", b"e"], b"1\n2\n3\n")
    assert sorter.take_alerts() == b"1\n1\n2\n3\n3\n"


def test_status_is_the_last_selected_line_padded() -> None:
    sorter, _ = sorted_by([b"-bad", b"=st"], b"one\ntwo\nbad\n")
    assert sorter.take_statuses() == [(0, b"two".ljust(1001, b"\n"))]
    assert sorter.take_statuses() == []


def test_statuses_are_written_in_the_order_of_their_lines() -> None:
    sorter, _ = sorted_by([b"=f", b"-*", b"+1", b"=f"], b"1\n2\n")
    assert [place for place, _ in sorter.take_statuses()] == [1, 0]
