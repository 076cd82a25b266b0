"""Properties of .qmail parsing, quoting and the loop scan, for any bytes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qmail.local.dotqmail import candidates, parse
from qmail.local.environment import variables
from qmail.local.loops import LoopScan
from qmail.local.mbox import FromQuoter

NUL_FREE = st.binary(max_size=60).map(lambda b: b.replace(b"\0", b"-"))
MAIL = st.lists(
    st.sampled_from([b"From ", b">", b"\n", b"F", b"ro", b"x", b"m "]), max_size=40
).map(b"".join)


@given(st.binary(max_size=200), st.booleans())
def test_parse_of_any_bytes_never_lets_a_program_into_a_forward_file(
    text: bytes, forward_only: bool
) -> None:
    kinds = [kind for kind, _ in parse(text, forward_only)]
    if forward_only:
        assert not {b"maildir", b"mbox", b"program"} & set(kinds)
    assert kinds.count(b"blank first line") <= 1


@given(NUL_FREE, NUL_FREE)
def test_candidates_of_any_extension_stay_in_the_home(dash: bytes, ext: bytes) -> None:
    for name, default in candidates(b"-", ext):
        assert name.startswith(b".qmail-")
        assert b".." not in name
        assert default is None or ext.endswith(default)


@given(MAIL, st.lists(st.integers(0, 120), max_size=6))
def test_quoter_equals_the_line_by_line_definition(
    text: bytes, cuts: list[int]
) -> None:
    lines = text.split(b"\n")
    expected = b"\n".join(
        b">" + line if line.lstrip(b">").startswith(b"From ") else line
        for line in lines
    )
    quoter = FromQuoter()
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    blocks = [text[a:b] for a, b in itertools.pairwise(edges)]
    out = b"".join(quoter.feed(block) for block in blocks if block)
    assert out + quoter.finish() == expected


@given(MAIL)
def test_quoted_text_has_no_from_line_and_can_be_unquoted(text: bytes) -> None:
    quoter = FromQuoter()
    quoted = (quoter.feed(text) if text else b"") + quoter.finish()
    lines = quoted.split(b"\n")
    assert not any(line.startswith(b"From ") for line in lines)
    back = b"\n".join(
        line[1:] if line.lstrip(b">").startswith(b"From ") else line for line in lines
    )
    assert back == text


@given(st.lists(st.sampled_from([b"D: x\n", b"D", b": x\n", b"\n", b"y"]), max_size=12))
def test_loop_scan_equals_the_line_by_line_definition(blocks: list[bytes]) -> None:
    expected = False
    for line in b"".join(blocks).splitlines(keepends=True):
        if line == b"\n":
            break
        expected = expected or line == b"D: x\n"
    scan = LoopScan(b"D: x\n")
    verdict = None
    for block in blocks:
        verdict = scan.feed(block)
        if verdict is not None:
            break
    assert bool(verdict) == expected


@given(NUL_FREE, NUL_FREE, NUL_FREE, NUL_FREE)
def test_lines_for_the_header_are_always_one_line(
    local: bytes, host: bytes, ext: bytes, sender: bytes
) -> None:
    env = variables(b"u", b"/h", local, ext, host, sender, 0)
    for name in (b"DTLINE", b"RPLINE", b"UFLINE"):
        assert env[name].endswith(b"\n")
        assert env[name].count(b"\n") == 1
