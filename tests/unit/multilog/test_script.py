"""What the words of a multilog script mean."""

from __future__ import annotations

import pytest

from pytools.multilog import script
from pytools.multilog.script import parse


def test_timestamp_counts_only_as_first_word() -> None:
    assert parse([b"t", b"./a"]).timestamp
    assert parse([b"tx"]).timestamp
    assert not parse([b"./a", b"t"]).timestamp
    assert not parse([]).timestamp


@pytest.mark.parametrize(
    ("word", "size"),
    [
        (b"s5000", 5000),
        (b"s1", 4096),
        (b"s", 4096),
        (b"sx", 4096),
        (b"s99999999", 16777215),
        (b"s6000kb", 6000),
    ],
)
def test_size_is_kept_between_its_bounds(word: bytes, size: int) -> None:
    assert parse([word, b"./a"]).directories[0].size == size


@pytest.mark.parametrize(("word", "keep"), [(b"n3", 3), (b"n1", 2), (b"n", 2)])
def test_number_is_at_least_two(word: bytes, keep: int) -> None:
    assert parse([word, b"/a"]).directories[0].keep == keep


def test_settings_hold_for_the_directories_after_them() -> None:
    first, second = parse([b"./a", b"s5000", b"n4", b"!cmd x", b"/b"]).directories
    assert (first.name, first.size, first.keep, first.processor) == (
        b"./a",
        script.DEFAULT_SIZE,
        script.DEFAULT_KEEP,
        None,
    )
    assert (second.name, second.size, second.keep, second.processor) == (
        b"/b",
        5000,
        4,
        b"cmd x",
    )


def test_line_actions_keep_their_order_and_unknown_words_do_nothing() -> None:
    parsed = parse([b"-*", b"+a*", b"zzz", b"e", b"=st", b"./a", b""])
    assert [kind for kind, _ in parsed.actions] == [
        script.DESELECT,
        script.SELECT,
        script.ALERT,
        script.STATUS,
        script.DIRECTORY,
    ]
    assert parsed.statuses == [b"st"]
