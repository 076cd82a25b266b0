"""Our client against our server, a few bytes at a time."""

from __future__ import annotations

import pytest

from qmail.smtp import client
from qmail.smtp.client import ClientSession
from qmail.smtp.data import Measure
from qmail.smtp.server import Session
from tests.unit.smtp.dialogue import Caller

MESSAGES = [
    b"",
    b"\n",
    b".\n",
    b"..\n.a\n",
    b"Subject: a\n\nb\n.\nc\n",
    b"\xff\n" * 100,
]


class Pair:
    """Both sessions, and the wires between them."""

    def __init__(self, recipients: list[bytes], step: int) -> None:
        session = Session(b"server.example")
        self.caller = Caller(session)
        self.caller.sent += session.greet()
        self.client = ClientSession(b"client.example", b"s@a", recipients)
        self._step = step

    def _to_server(self, data: bytes) -> None:
        for at in range(0, len(data), self._step):
            self.caller.feed(data[at : at + self._step])

    def run(self, message: bytes) -> list[bytes]:
        """Hold the conversation; the verdicts in order."""
        verdicts = []
        while True:
            event = self.client.next_event()
            if event is None:
                assert self.caller.sent, "both wait for each other"
                self.client.receive(bytes(self.caller.sent[: self._step]))
                del self.caller.sent[: self._step]
            elif event.kind == client.SEND:
                self._to_server(event.data)
            elif event.kind == client.MEASURE:
                measure = Measure()
                measure.feed(message)
                self.client.measured(measure)
            elif event.kind == client.BODY:
                self._to_server(self.client.message(message))
                self._to_server(self.client.end_of_message() or b"")
            else:
                assert event.outcome is not None
                verdicts.append(event.outcome.verdict)
                if event.kind == client.DONE:
                    return verdicts


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("message", MESSAGES)
def test_both_ends_message_arrives_unchanged(message: bytes, step: int) -> None:
    pair = Pair([b"a@ok", b"b@no", b'"c d"@ok'], step)
    assert pair.run(message) == [b"r", b"h", b"r", b"K"]
    assert pair.caller.messages == [(b"s@a", [b"a@ok", b"c d@ok"], message)]


def test_both_ends_no_recipient_no_message() -> None:
    pair = Pair([b"a@no"], 10)
    assert pair.run(b"x\n") == [b"h", b"D"]
    assert pair.caller.messages == []
