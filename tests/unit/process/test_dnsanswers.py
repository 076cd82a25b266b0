"""pytools/process/dnsanswers.py: answers there and back, and their bounds."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytools.base.netstring import Malformed, encode
from pytools.process.dnsanswers import (
    ITEMS,
    TOTAL_BYTES,
    DnsPermanent,
    DnsTemporary,
    bounded,
    decode_answer,
    decode_answers,
    encode_answer,
    encode_answers,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer


def shown(answer: Answer | None) -> object:
    """Comparable: the class of a failure, and its errno."""
    if isinstance(answer, DnsTemporary):
        return DnsTemporary, answer.number
    return type(answer) if isinstance(answer, Exception) else answer


answers = st.one_of(
    st.lists(st.binary(max_size=20), max_size=5),
    st.builds(DnsPermanent),
    st.builds(DnsTemporary, st.integers(0, 200)),
)


@given(answers)
def test_answer_goes_there_and_back(answer: Answer) -> None:
    assert shown(decode_answer(encode_answer(answer))) == shown(answer)


@given(st.lists(st.one_of(st.none(), answers), max_size=5))
def test_several_answers_go_there_and_back(several: list[Answer | None]) -> None:
    found = decode_answers(encode_answers(several))
    assert list(map(shown, found)) == list(map(shown, several))


@given(st.binary(max_size=40))
def test_any_bytes_are_an_answer_or_malformed(data: bytes) -> None:
    for decode in (decode_answer, decode_answers):
        try:
            decode(data)
        except Malformed:
            pass


@pytest.mark.parametrize("data", [b"", b"1:X,", b"1:K,3:ab", b"1:K,x"])
def test_half_an_answer_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_answer(data)


def test_only_so_many_items_and_bytes_are_handed_on() -> None:
    assert bounded([b"x"] * (ITEMS + 1)) == [b"x"] * ITEMS
    long = b"y" * 40_000
    assert bounded([long, long]) == [long]
    assert bounded([b"z" * (TOTAL_BYTES + 1)]) == []


def test_failure_without_a_reason_is_an_older_resolver_s() -> None:
    assert shown(decode_answer(encode(b"Z"))) == (DnsTemporary, errno.ETIMEDOUT)
