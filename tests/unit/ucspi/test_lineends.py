"""CR before LF, added or removed: the same wherever blocks end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytools.ucspi.lineends import CrAdded, CrRemoved

TEXT = st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\0"]), max_size=12).map(b"".join)
BLOCKS = st.lists(TEXT, max_size=6)


def added(blocks: list[bytes]) -> bytes:
    stream = CrAdded()
    return b"".join([stream.feed(block) for block in blocks])


def removed(blocks: list[bytes]) -> bytes:
    stream = CrRemoved()
    return b"".join([stream.feed(block) for block in blocks]) + stream.end()


def added_by_the_byte(text: bytes) -> bytes:
    """What CrAdded means."""
    out = bytearray()
    last = 0
    for byte in text:
        if byte == 10 and last != 13:
            out += b"\r"
        out.append(byte)
        last = byte
    return bytes(out)


def removed_by_the_byte(text: bytes) -> bytes:
    """What CrRemoved means."""
    kept = [
        byte
        for at, byte in enumerate(text)
        if text[at : at + 2] != b"\r\n" or byte == 10
    ]
    return bytes(kept)


@given(BLOCKS)
def test_cr_is_added_before_each_bare_lf(blocks: list[bytes]) -> None:
    assert added(blocks) == added_by_the_byte(b"".join(blocks))


@given(BLOCKS)
def test_cr_before_each_lf_is_removed(blocks: list[bytes]) -> None:
    assert removed(blocks) == removed_by_the_byte(b"".join(blocks))


@given(TEXT)
def test_one_byte_at_a_time_makes_no_difference(text: bytes) -> None:
    single = [text[at : at + 1] for at in range(len(text))]
    assert added(single) == added([text])
    assert removed(single) == removed([text])


def test_empty_block_keeps_the_state() -> None:
    assert added([b"a\r", b"", b"\n"]) == b"a\r\n"
    assert removed([b"a\r", b"", b"\n"]) == b"a\n"
