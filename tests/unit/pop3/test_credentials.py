"""The record on descriptor 3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmail.pop3.credentials import Malformed, pack, unpack

WORD = st.binary().filter(lambda word: b"\0" not in word)


@given(WORD, WORD, WORD)
def test_what_is_packed_is_unpacked(name: bytes, password: bytes, stamp: bytes) -> None:
    assert unpack(pack(name, password, stamp)) == (name, password)


@pytest.mark.parametrize("data", [b"", b"user", b"user\0", b"user\0pass"])
def test_too_little_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        unpack(data)


def test_timestamp_may_be_missing() -> None:
    assert unpack(b"user\0pass\0") == (b"user", b"pass")
