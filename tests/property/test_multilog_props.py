"""multilog's pure parts: any split of the input gives the same logs."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from pytools.multilog.directory import MARGIN, cut
from pytools.multilog.lines import Splitter
from pytools.multilog.localtime import Translator
from pytools.multilog.pattern import AnyOf, matches
from pytools.multilog.script import parse
from pytools.multilog.selection import Sorter

LABEL = re.compile(rb"@4000000[0-9a-f]{17}")
ALPHABET = st.sampled_from([b"x", b"y", b"*", b" "])
TEXTS = st.lists(ALPHABET, max_size=12).map(b"".join)
LINES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.integers(990, 1010).map(lambda n: b"x" * n),
        st.integers(970, 980).map(lambda n: b"y" * n),
    ),
    max_size=6,
).map(b"\n".join)
WORDS = st.lists(
    st.one_of(
        TEXTS.map(lambda t: b"-" + t),
        TEXTS.map(lambda t: b"+" + t),
        st.sampled_from([b"e", b"=f", b"./d", b"-*", b"+*x*"]),
    ),
    max_size=6,
)


def slow_match(pattern: bytes, text: bytes) -> bool:
    """The rule, a character at a time."""
    at = 0
    for place in range(len(pattern)):
        wanted = pattern[place]
        if wanted == ord("*"):
            if place + 1 == len(pattern):
                return True
            while at < len(text) and text[at] != pattern[place + 1]:
                at += 1
            if at == len(text):
                return False
        elif at < len(text) and text[at] == wanted:
            at += 1
        else:
            return False
    return at == len(text)


@given(TEXTS, TEXTS)
def test_compiled_pattern_agrees_with_the_rule(pattern: bytes, text: bytes) -> None:
    assert matches(pattern, text) == slow_match(pattern, text)


@given(
    st.lists(TEXTS | TEXTS.map(lambda t: b"*" + t + b"*"), max_size=5),
    st.lists(TEXTS, min_size=1, max_size=5),
)
def test_patterns_together_agree_with_the_rule(
    patterns: list[bytes], lines: list[bytes]
) -> None:
    expected = [any(slow_match(p, line) for p in patterns) for line in lines]
    any_of = AnyOf(patterns)
    assert any_of(lines, lambda: b"\n".join(lines)) == expected or any_of.everything
    assert all(expected) or not any_of.everything


def logged(words: list[bytes], blocks: list[bytes], labelled: bool) -> object:
    sorter = Sorter(parse(words))
    splitter = Splitter((lambda: 7) if labelled else None)
    output = [b""] * words.count(b"./d")
    alerts = b""
    statuses: dict[int, bytes] = {}
    for chunk in [*map(splitter.feed, blocks), splitter.finish()]:
        pieces = sorter.sort(chunk)
        output = [old + new for old, new in zip(output, pieces, strict=True)]
        alerts += sorter.take_alerts()
        statuses.update(sorter.take_statuses())
    # The lines of a block have labels one nanosecond apart.
    return (
        [LABEL.sub(b"@", text) for text in output],
        LABEL.sub(b"@", alerts),
        {place: LABEL.sub(b"@", text) for place, text in statuses.items()},
    )


@given(WORDS, LINES, st.lists(st.integers(0, 3000), max_size=4), st.booleans())
def test_any_split_of_the_input_gives_the_same_logs(
    words: list[bytes], text: bytes, cuts: list[int], labelled: bool
) -> None:
    edges = sorted({0, len(text), *(c for c in cuts if c < len(text))})
    blocks = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert logged(words, blocks, labelled) == logged(words, [text], labelled)


@given(LINES)
def test_plain_script_keeps_every_byte(text: bytes) -> None:
    expected = text if not text or text.endswith(b"\n") else text + b"\n"
    assert logged([b"./d"], [text], False) == ([expected], b"", {})


@given(st.binary(max_size=200), st.integers(0, 4095), st.integers(4096, 4200))
def test_cut_makes_progress_and_never_overfills(
    data: bytes, fill: int, size: int
) -> None:
    end, ends_file = cut(data, 0, fill, size)
    assert end >= 1 or not data
    assert fill + end <= size
    if ends_file:
        assert data[end - 1 : end] == b"\n"
        assert fill + end >= size - MARGIN


@given(st.lists(st.sampled_from([b"@", b"\n", b"4000", b"00", b"x", b"f" * 8])))
def test_local_time_of_any_split_is_the_same(parts: list[bytes]) -> None:
    split, whole = Translator(), Translator()
    text = b"".join(parts)
    assert b"".join(map(split.feed, parts)) == (whole.feed(text) if text else b"")
