"""QMTP and QMQP sessions: any bytes in any pieces, and all that a client may say."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from qmail.qmqp.client import Envelope, request
from qmail.qmtp.server import Session
from tests.unit.qmqp import dialogue as qmqp
from tests.unit.qmtp import dialogue as qmtp

WIRE = st.lists(
    st.sampled_from(
        [
            *(
                b"0:,",
                b"1:\n,",
                b"3:\ra\r,",
                b"4:",
                b"1:a,",
                b"12:",
                b",",
                b"\0",
                b"\r",
            ),
            *(
                b"\n",
                b"a",
                b"9",
                b"0",
                b"5:2:ok,,",
                b"9:1:\n,0:,0:,,",
                b"10:2:ok,2:ok,,",
            ),
        ]
    )
).map(b"".join)
CUTS = st.lists(st.integers(0, 200), max_size=6)
ADDRESS = st.binary(max_size=20).map(lambda data: data.replace(b"\0", b""))


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    points = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(points)]
    return [part for part in parts if part]


def run(feed: Callable[[bytes], None], parts: list[bytes]) -> None:
    for part in parts:
        feed(part)
    feed(b"")


@given(WIRE, CUTS)
def test_qmtp_any_bytes_end_the_same_in_any_pieces(
    wire: bytes, cuts: list[int]
) -> None:
    whole, cut = qmtp.Caller(), qmtp.Caller()
    run(whole.feed, [wire] if wire else [])
    run(cut.feed, split(wire, cuts))
    assert whole.outcome() == cut.outcome()
    assert whole.ended in ("EOF", "ProtocolError", "TooLong")


@given(WIRE, CUTS)
def test_qmqp_any_bytes_end_the_same_in_any_pieces(
    wire: bytes, cuts: list[int]
) -> None:
    whole, cut = qmqp.Caller(), qmqp.Caller()
    run(whole.feed, [wire] if wire else [])
    run(cut.feed, split(wire, cuts))
    assert (whole.sent, whole.queued, whole.ended) == (cut.sent, cut.queued, cut.ended)
    assert whole.ended in ("END", "EOF", "ProtocolError", "TooLong")


@given(st.binary(), st.booleans(), ADDRESS, st.lists(ADDRESS), CUTS)
def test_qmtp_what_a_client_sends_is_what_is_queued(
    text: bytes, crlf: bool, sender: bytes, names: list[bytes], cuts: list[int]
) -> None:
    recipients = tuple(name + b"ok" for name in names)
    message = b"\r" + text.replace(b"\n", b"\r\n") if crlf else b"\n" + text
    caller = qmtp.Caller(Session())
    run(caller.feed, split(qmtp.package(message, sender, recipients), cuts))
    expected = [(sender, [*recipients], text)] if recipients else []
    assert caller.outcome() == ([qmtp.ACCEPTED] * len(names), expected, "EOF")


@given(st.binary(), ADDRESS, st.lists(ADDRESS), CUTS)
def test_qmqp_client_and_server_agree(
    message: bytes, sender: bytes, recipients: list[bytes], cuts: list[int]
) -> None:
    records = [b"F" + sender, *(b"T" + name for name in recipients), b"", b""]
    envelope = Envelope()
    for part in split(b"\0".join(records), cuts):
        envelope.feed(part)
    assert envelope.complete
    caller = qmqp.Caller()
    run(caller.feed, split(b"".join(request(message, envelope.encoded)), cuts))
    assert (caller.queued, caller.ended) == ((sender, recipients, message), "END")
