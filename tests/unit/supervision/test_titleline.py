"""readproctitle's ring."""

from __future__ import annotations

import pytest

from pytools.supervision.titleline import Ring


def naive(size: int, data: bytes) -> bytes:
    """The manual's words: a byte comes, the fourth byte falls out."""
    ring = bytearray(b"." * size)
    for byte in data:
        if byte:
            ring[3:-1] = ring[4:]
            ring[-1] = byte
    return bytes(ring)


@pytest.mark.parametrize("size", [5, 6, 20])
@pytest.mark.parametrize(
    "chunks",
    [[], [b""], [b"a"], [b"abc", b"def"], [b"a\0b"], [b"x" * 50 + b"y"], [b"\0\0"]],
    ids=str,
)
def test_ring_any_chunks_is_byte_by_byte(size: int, chunks: list[bytes]) -> None:
    ring = Ring(size)
    for chunk in chunks:
        ring.push(chunk)
    assert ring.data == naive(size, b"".join(chunks))


def test_ring_too_small_to_move_stays() -> None:
    ring = Ring(3)
    ring.push(b"abc")
    assert ring.data == b"..."
