"""The search for our own Delivered-To line."""

from __future__ import annotations

import pytest

from qmail.local.loops import LoopScan
from tests.support.trickle import pieces

LINE = b"Delivered-To: a@b\n"

CASES = {
    "first line": (LINE + b"X: y\n\nbody\n", True),
    "last line of the header": (b"X: y\n" + LINE + b"\nbody\n", True),
    "header without end": (b"X: y\n" + LINE, True),
    "in the body only": (b"X: y\n\n" + LINE, False),
    "message that is all body": (b"\n" + LINE, False),
    "longer line": (b"Delivered-To: a@b.c\n\n", False),
    "other case": (b"delivered-to: a@b\n\n", False),
    "not at a line's start": (b"X: Delivered-To: a@b\n\n", False),
    "unfinished last line": (b"X: y\n" + LINE[:-1], None),
    "after a CRLF line": (b"X: y\r\n\r\n" + LINE, True),
    "empty": (b"", None),
}


@pytest.mark.parametrize(("message", "expected"), list(CASES.values()), ids=list(CASES))
def test_loop_scan_any_split_gives_the_same_verdict(
    message: bytes, expected: bool | None
) -> None:
    for blocks in pieces(message):
        scan = LoopScan(LINE)
        verdict = None
        for block in blocks:
            verdict = scan.feed(block)
            if verdict is not None:
                break
        assert verdict is expected
