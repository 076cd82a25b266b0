"""The protocol of run/queued."""

from __future__ import annotations

import pytest

from qmail.queue import wire
from qmail.queue.wire import Answer, Decoder, Encoder, decode_answer, encode_answer

STREAM = b"\0\0\0\3abc\0\0\0\2de\0\0\0\0\0\0\0\4Fs\0\0\0\0\0\0"
EVENTS = [
    (wire.MESSAGE, b"abcde"),
    (wire.MESSAGE_END, b""),
    (wire.ENVELOPE, b"Fs\0\0"),
    (wire.ENVELOPE_END, b""),
]


def joined(events: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    result: list[tuple[int, bytes]] = []
    for kind, data in events:
        if result and result[-1][0] == kind:
            result[-1] = (kind, result[-1][1] + data)
        else:
            result.append((kind, data))
    return result


def decode(*chunks: bytes) -> list[tuple[int, bytes]]:
    decoder = Decoder()
    return joined([event for chunk in chunks for event in decoder.feed(chunk)])


def test_decoder_any_split_gives_same_events() -> None:
    for cut in range(len(STREAM) + 1):
        assert decode(STREAM[:cut], STREAM[cut:]) == EVENTS
    assert decode(*[STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


def test_decoder_what_follows_the_end_is_ignored() -> None:
    assert decode(STREAM + b"\0\0\0\1x", b"more") == EVENTS


def test_decoder_joins_pieces_of_one_chunk() -> None:
    assert Decoder().feed(STREAM) == EVENTS


def test_decoder_empty_message_and_envelope_have_only_ends() -> None:
    ends = [(wire.MESSAGE_END, b""), (wire.ENVELOPE_END, b"")]
    assert decode(wire.END * 2) == ends


def test_encoder_small_message_is_one_piece() -> None:
    encoder = Encoder()
    for part in (b"ab", b"c", b"", b"de"):
        encoder.put(part)
    encoder.end()
    encoder.put(b"Fs\0\0")
    encoder.end()
    assert decode(bytes(encoder.take())) == EVENTS
    assert encoder.take() == b""


def test_encoder_put_tells_what_waits() -> None:
    encoder = Encoder()
    assert encoder.put(b"abc") == 3
    encoder.take()
    assert encoder.put(b"d") == 1


ANSWERS = [Answer(0, 1), Answer(91, 4194304), Answer(82, 7, b"Dno (#5.7.1)")]


@pytest.mark.parametrize("answer", ANSWERS)
def test_answer_roundtrip(answer: Answer) -> None:
    data = encode_answer(answer)
    for cut in range(len(data)):
        assert decode_answer(data[:cut]) is None
    found = decode_answer(data + b"junk")
    assert found is not None
    assert (found.code, found.qp, found.text) == (answer.code, answer.qp, answer.text)


@pytest.mark.parametrize("data", [b"\0\0\0\1x", b"\xff\xff\xff\xffjunk"])
def test_answer_nonsense_is_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_answer(data)
