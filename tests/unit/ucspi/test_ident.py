"""pytools/ucspi/ident.py: the answer of an RFC 1413 server."""

from __future__ import annotations

import pytest

from pytools.ucspi.ident import LONGEST, Answer

ANSWERS = {
    b"1 , 2 : USERID : UNIX : joe\r\n": b"joe",
    b"1,2:USERID:UNIX: j o\te:x\r\n": b"joe:x",
    b"1,2:USERID:UNIX:a\0b\n": b"a",
    b"1,2:ERROR:NO-USER\r\n": b"",
    b"a:b:c:d\re\nmore": b"de",
    b"::::\n": b":",
}


@pytest.mark.parametrize(("wire", "text"), ANSWERS.items(), ids=repr)
def test_answer_any_split_gives_same_text(wire: bytes, text: bytes) -> None:
    for cut in range(len(wire) + 1):
        answer = Answer()
        complete = answer.receive(wire[:cut]) or answer.receive(wire[cut:])
        assert (complete, answer.text) == (True, text)


def test_answer_without_newline_is_incomplete() -> None:
    assert not Answer().receive(b"1,2:USERID:UNIX:joe")


def test_answer_without_end_is_cut() -> None:
    answer = Answer()
    assert answer.receive(b"::: " + b"x" * 1000)
    assert answer.text == b"x" * LONGEST
