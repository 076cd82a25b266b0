"""qmail/qmqp/client.py: the envelope turned, the answer read, both ends together."""

from __future__ import annotations

import pytest

from qmail.mail.netstrings import ProtocolError
from qmail.qmqp.client import BadEnvelope, Envelope, Reply, request
from tests.support.trickle import pieces
from tests.unit.qmqp.dialogue import Caller

ENVELOPES = {
    b"Fs@x\0Ta@b\0\0": b"3:s@x,3:a@b,",
    b"Fs\0Ta\0Tb\0T\0\0": b"1:s,1:a,1:b,0:,",
    b"F\0\0": b"0:,",
    b"Fs\0\0Ta\0junk": b"1:s,",
    b"F%b\0\0" % (b"a" * 3000): b"3000:%b," % (b"a" * 3000),
}
BAD = [b"\0", b"\0Ta\0\0", b"Ta\0\0", b"Fs\0Fa\0\0", b"Fs\0Ta\0x\0\0", b"xs\0\0"]


@pytest.mark.parametrize(("wire", "encoded"), ENVELOPES.items())
def test_envelope_in_any_pieces_becomes_netstrings(wire: bytes, encoded: bytes) -> None:
    for parts in pieces(wire):
        envelope = Envelope()
        for part in parts:
            envelope.feed(part)
        assert envelope.complete
        assert envelope.encoded == encoded


@pytest.mark.parametrize("wire", [*ENVELOPES][:3])
def test_envelope_that_ends_early_is_not_complete(wire: bytes) -> None:
    for end in range(len(wire)):
        envelope = Envelope()
        envelope.feed(wire[:end])
        assert not envelope.complete


def feed(parts: list[bytes]) -> None:
    envelope = Envelope()
    for part in parts:
        envelope.feed(part)


@pytest.mark.parametrize("wire", BAD)
def test_envelope_with_another_letter_is_bad(wire: bytes) -> None:
    for parts in pieces(wire):
        with pytest.raises(BadEnvelope):
            feed(parts)


def test_envelope_counts_what_it_holds() -> None:
    envelope = Envelope()
    envelope.feed(b"Fs\0Tabc")
    assert envelope.size == len(b"1:s,Tabc")


@pytest.mark.parametrize("message", [b"", b"x", b"Subject: y\n\nhi\n" * 1000])
def test_request_is_what_the_server_reads(message: bytes) -> None:
    envelope = Envelope()
    envelope.feed(b"Fs@x\0Ta@b\0Tc@d\0\0")
    parts = request(message, envelope.encoded)
    assert parts[-1] == b","
    caller = Caller()
    caller.feed(b"".join(parts[:-1]))
    assert not caller.ended
    caller.feed(bytes(parts[-1]))
    assert caller.queued == (b"s@x", [b"a@b", b"c@d"], message)


@pytest.mark.parametrize("letter", [b"K", b"Z", b"D"])
def test_reply_in_any_pieces_is_its_first_letter(letter: bytes) -> None:
    wire = b"3:%bok," % letter
    for parts in pieces(wire):
        reply = Reply()
        found = b""
        for part in parts:
            found = found or reply.receive(part)
        assert found == letter


@pytest.mark.parametrize(
    "wire", [b"", b"3", b"3:", b"0:K", b"3:xok,", b"Kok", b"220 Zed ESMTP", b"0" * 50]
)
def test_reply_that_is_none_is_an_error(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        hear(wire)


def hear(wire: bytes) -> None:
    reply = Reply()
    for at in range(len(wire)):
        assert reply.receive(wire[at : at + 1]) == b""
    reply.receive(b"")
