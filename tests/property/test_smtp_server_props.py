"""The server's session beside a model of it that sees all bytes at once; and what a
message is that has come through it, to whoever gets it next.
"""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from qmail.smtp.data import Decoder, Encoder
from qmail.smtp.lines import MAX_LINE
from qmail.smtp.server import Session
from tests.unit.smtp.dialogue import Caller

CUTS = st.lists(st.integers(0, 400), max_size=6)
BITS = [b"\r", b"\n", b".", b"a", b"\0", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"\n.\n"]
WIRE = st.lists(st.sampled_from(BITS)).map(b"".join)
MAIL, RCPT, DATA = b"MAIL FROM:<s>", b"RCPT TO:<r@ok>", b"DATA"
COMMANDS = [
    *(MAIL, RCPT, DATA, MAIL, RCPT, DATA, b"MAIL FROM:<bad>", b"RCPT TO:<r@no>"),
    *(b"MAIL FROM:<s> SIZE=11", b"MAIL FROM:<s> X", b"RCPT TO:<q@ok> X", b"RSET"),
    *(b"EHLO x", b"HELO x", b"noop", b"VRFY", b"HELP", b"", b"x: y", b"GET /", b"."),
    *(b"a" * MAX_LINE, b"a" * (MAX_LINE + 1), b"..b", b"long text", b"QUIT"),
]
END_OF_LINE = st.sampled_from([*[b"\r\n"] * 12, b"\n", b"\r", b"\r\r\n", b"\0\r\n"])
LINES = st.lists(st.tuples(st.sampled_from(COMMANDS), END_OF_LINE).map(b"".join))
BEGIN = b"\r\n".join([MAIL, RCPT, DATA, b""])
DIALOGUES = st.lists(
    LINES.map(b"".join) | WIRE.map(lambda wire: BEGIN + wire + b"\r\n.\r\n")
).map(b"".join)
MAX_SIZE = 10


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    points = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(points) if a < b]


class Model:
    """A session, told by its whole input: no state machine, no buffer."""

    def __init__(self, wire: bytes) -> None:
        self.wire = wire
        self.codes: list[bytes] = []
        self.messages: list[tuple[bytes, list[bytes], bytes]] = []
        self.ended = b""
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self._is_extended = False
        while not self.ended:
            self._line()

    def _line(self) -> None:
        line, end, self.wire = self.wire.partition(b"\n")
        if not end:
            self.ended = b"eof"
            return
        line = line.removesuffix(b"\r")
        if len(line) > MAX_LINE or re.search(b"[\r\0]", line):
            self.codes.append(b"500 ")
        elif re.match(rb"([^ ]*:|(?i:get|post|connect))( |$)", line):
            self.codes.append(b"421 ")
            self.ended = b"error"
        else:
            self._command(line)

    def _command(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        if verb == b"EHLO":
            self.codes += [b"250-"] * 3
        if verb in {b"EHLO", b"HELO", b"RSET"}:
            self._sender = None
            if verb != b"RSET":
                self._is_extended = verb == b"EHLO"
            code = b"250"
        elif verb == b"MAIL":
            code = self._mail(argument)
        elif verb == b"RCPT":
            code = self._rcpt(argument)
        elif verb == b"DATA" and self._sender is not None and self._recipients:
            self.codes.append(b"354 ")
            self._message(self._sender)
            return
        else:
            simple = {
                b"NOOP": b"250",
                b"VRFY": b"252",
                b"HELP": b"214",
                b"DATA": b"503",
            }
            code = simple.get(verb, b"502")
        if verb == b"QUIT":
            code = b"221"
            self.ended = b"quit"
        self.codes.append(code + b" ")

    def _mail(self, argument: bytes) -> bytes:
        self._sender = None
        if b"SIZE=11" in argument:
            return b"552"
        if self._is_extended and b" X" in argument:
            return b"555"
        self._sender = argument.removeprefix(b"FROM:<").partition(b">")[0]
        self._recipients = []
        return b"250"

    def _rcpt(self, argument: bytes) -> bytes:
        if self._sender is None:
            return b"503"
        if self._is_extended and b" X" in argument:
            return b"555"
        if self._sender == b"bad" or b"@no" in argument:
            return b"553"
        self._recipients.append(argument.removeprefix(b"TO:<").partition(b">")[0])
        return b"250"

    def _message(self, sender: bytes) -> None:
        wire = b"\r\n" + self.wire
        self._sender = None
        end = re.search(rb"\r\n\.\r\n", wire)
        bare = re.search(rb"(?<!\r)\n", wire)
        if bare and (not end or bare.start() < end.end()):
            self.ended = b"eof"
            if re.search(rb"\n\.\r?\n", wire):
                self.ended = b"error"
                self.codes.append(b"550 ")
        elif not end:
            self.ended = b"eof"
        else:
            self.wire = wire[end.end() :]
            lines = wire[2 : end.start() + 2].split(b"\r\n")
            text = b"\n".join(re.sub(rb"^\.(?!\r)", b"", line) for line in lines)
            self.messages.append((sender, self._recipients, text))
            self._recipients = []
            self.codes.append(b"552 " if len(text) > MAX_SIZE else b"250 ")


@given(DIALOGUES | st.binary(), CUTS)
def test_server_any_bytes_any_pieces_agree_with_the_model(
    wire: bytes, cuts: list[int]
) -> None:
    caller = Caller(Session(b"me", max_size=MAX_SIZE))
    for part in [*split(wire, cuts), b""]:
        caller.feed(part)
    model = Model(wire)
    assert caller.codes == model.codes
    assert caller.messages == model.messages
    assert caller.ended == model.ended
    assert b"\n" not in caller.sent.replace(b"\r\n", b"")


@given(WIRE, CUTS)
def test_decoder_any_pieces_agree_with_the_model(wire: bytes, cuts: list[int]) -> None:
    decoder = Decoder()
    out = rest = b""
    for part in split(wire, cuts):
        if decoder.finished:
            rest += part
        else:
            out += decoder.feed(part)
            rest += decoder.rest
    model = Model(BEGIN + wire)
    assert decoder.is_malformed == (
        re.search(rb"(?<!\r)\n", _first_message(b"\r\n" + wire)) is not None
    )
    if model.messages:
        assert decoder.finished
        assert out == model.messages[0][2]
        assert (b"\r\n" + wire).endswith(b"\r\n.\r\n" + rest)
    else:
        assert decoder.is_malformed or not decoder.finished


def _first_message(wire: bytes) -> bytes:
    end = re.search(rb"\r\n\.\r\n", wire)
    return wire[: end.end()] if end else wire


# What others make of a message's bytes: some leave NUL or CR out, and to some CR is a
# line end. All of them take a line that is a dot alone for the end.
RECEIVERS = {
    "strict": [],
    "LF ends a line": [(b"\r\n", b"\n")],
    "CR ends a line": [(b"\r\n", b"\n"), (b"\r", b"\n")],
    "CR is left out": [(b"\r", b"")],
    "NUL is left out": [(b"\0", b""), (b"\r\n", b"\n")],
    "NUL and CR are left out": [(b"\0", b""), (b"\r", b"")],
    "NUL ends a line": [(b"\0", b"\n"), (b"\r\n", b"\n"), (b"\r", b"\n")],
}


@given(WIRE, CUTS)
def test_server_message_goes_on_as_one_to_every_receiver(
    wire: bytes, cuts: list[int]
) -> None:
    caller = Caller(Session(b"me"))
    caller.feed(BEGIN + wire + b"\r\n.\r\n")
    for _, _, message in caller.messages:
        encoder = Encoder()
        sent = b"".join(map(encoder.feed, split(message, cuts))) + encoder.finish()
        for name, changes in RECEIVERS.items():
            seen, end = b"\r\n" + sent, b"\r\n.\r\n" if not changes else b"\n.\n"
            for old, new in changes:
                seen = seen.replace(old, new)
            assert seen.index(end) == len(seen) - len(end), name
