"""multilog's pattern matcher against the rule, stated character by character."""

from __future__ import annotations

import pytest

from pytools.multilog.pattern import matches

CASES = [
    (b"", b"", True),
    (b"", b"a", False),
    (b"abc", b"abc", True),
    (b"abc", b"abcd", False),
    (b"abc", b"ab", False),
    (b"*", b"", True),
    (b"*", b"anything at all", True),
    (b"a*", b"abc", True),
    (b"a*", b"b", False),
    (b"*c", b"abc", True),
    (b"*c", b"abcc", False),
    (b"*ab", b"aab", False),
    (b"* status: *", b"@4 status: 1", True),
    (b"* status: *", b"@4 end 2 status: 1", False),
    (b"*:*", b"a:b", True),
    (b"a*b*c", b"a-b-c", True),
    (b"a*b*c", b"a-b-", False),
    (b"**", b"ab", False),
    (b"**", b"a*b", True),
    (b"***", b"a*b", True),
    (b"**b", b"a*ab", True),
    (b"**b", b"ab", False),
    (b"a**", b"a", False),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), CASES)
def test_pattern_on_text_gives_the_expected_verdict(
    pattern: bytes, text: bytes, expected: bool
) -> None:
    assert matches(pattern, text) is expected
