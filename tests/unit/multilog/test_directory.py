"""Where a log file ends."""

from __future__ import annotations

import pytest

from pytools.multilog.directory import cut

SIZE = 5000


@pytest.mark.parametrize(
    ("data", "fill", "expected"),
    [
        (b"a\n", 0, (2, False)),
        (b"a\n", 2997, (2, False)),
        (b"a\n", 2998, (2, True)),
        (b"a\nb\n", 2998, (2, True)),
        (b"a\nb\n", 4000, (2, True)),
        (b"a\nb\n", 2996, (4, True)),
        (b"abc", 4000, (3, False)),
        (b"abcdef", 4997, (3, False)),
        (b"ab\ndef", 4997, (3, True)),
        (b"abc\ndef", 4997, (3, False)),
    ],
)
def test_write_ends_at_the_first_newline_near_the_size(
    data: bytes, fill: int, expected: tuple[int, bool]
) -> None:
    assert cut(data, 0, fill, SIZE) == expected


def test_write_starts_where_it_is_told() -> None:
    assert cut(b"\n\n\nxy\n", 3, 2997, SIZE) == (6, True)
