"""Tables followed to the recipients, and .forward files read to their steps."""

from __future__ import annotations

import pytest

from qmail.forwarding.addresses import Completion
from qmail.forwarding.dotforward import COMMAND, DIRECT, FORWARD, steps
from qmail.forwarding.expansion import Expansion, Plan
from qmail.forwarding.source import Refused
from qmail.forwarding.table import Malformed, compile_table

COMPLETION = Completion(b"host.example", b"dom.example", b"plus.example")
SOURCE = b"""
c@d: |one, a@b, ./list; a@b: x@y, |two;
@w: wild@h; wild@h: z@z; user@: only@h; only@: not@this;
loop@h: loop@h, &LOOP@h, q@q;
owned@: ?boss@h; owned@: m@n; n@: owned@x, own@x; own@x: ?o@x, p@x;
abc@v: def@v; def@v: Abc@v; to@: abc@v; self@v: self@v; list@: ./ring, ./empty;
two@: ./empty, nil@v, ./empty; nil@v: ./empty; self@: self@v; ways@: nil@v, nil2@v;
nil2@v: nil@v;
"""
LISTS = {
    b"./list": b"&x@y\0&l@m\0./list\0",
    b"./empty": b"",
    b"./ring": b"./ring2\0",
    b"./ring2": b"./empty\0./ring\0",
}


def plan(recipient: bytes, sender: bytes = b"s@x") -> Plan | None:
    return Expansion(dict(compile_table(SOURCE)).get, LISTS.__getitem__).plan(
        recipient, sender
    )


@pytest.mark.parametrize(
    ("recipient", "programs", "recipients"),
    [
        (b"C@D", [b"|one", b"|two"], [b"x@y", b"l@m"]),
        (b"any@w", [], [b"z@z"]),
        (b"user@h", [], [b"only@h"]),
        (b"loop@h", [], [b"LOOP@h", b"q@q"]),
        (b"n@h", [], [b"owned@x", b"own@x"]),
    ],
)
def test_every_recipient_comes_once(
    recipient: bytes, programs: list[bytes], recipients: list[bytes]
) -> None:
    found = plan(recipient)
    assert found is not None
    assert found.programs == programs
    assert sorted(found.recipients) == sorted(set(found.recipients))
    assert set(found.recipients) <= set(recipients)
    assert {r.lower() for r in found.recipients} >= {r.lower() for r in recipients[-1:]}


@pytest.mark.parametrize(
    ("sender", "expected"),
    [(b"s@x", b"boss@h"), (b"", b""), (b"#@[]", b"#@[]")],
)
def test_owner_is_the_sender_unless_it_is_a_bounce(
    sender: bytes, expected: bytes
) -> None:
    found = plan(b"owned@x", sender)
    assert found is not None
    assert (found.sender, found.recipients) == (expected, [b"m@n"])


@pytest.mark.parametrize(
    ("recipient", "circle"),
    [
        (b"abc@v", b"def@v"),
        (b"to@h", b"def@v"),  # Abc@v is another name than abc@v, def@v the same
        (b"self@v", b"self@v"),
        (b"self@h", b"self@v"),
        (b"list@h", b"./ring"),
    ],
)
def test_circle_without_a_way_out_is_told(recipient: bytes, circle: bytes) -> None:
    found = plan(recipient)
    assert found is not None
    assert (found.programs, found.recipients) == ([], [])
    assert found.circle is not None
    assert found.circle.lower() == circle


@pytest.mark.parametrize("recipient", [b"two@h", b"nil@v", b"ways@h"])
def test_empty_list_is_no_circle_however_often_it_is_named(recipient: bytes) -> None:
    found = plan(recipient)
    assert found is not None
    assert (found.programs, found.recipients, found.circle) == ([], [], None)


def test_nobody_knows_the_recipient() -> None:
    assert plan(b"nobody@h") is None
    assert plan(b"user") is None


def test_malformed_list_leaves_nobody_out() -> None:
    table = {b":a@b": b"./list\0&c@d\0"}
    with pytest.raises(Malformed):
        Expansion(table.get, {b"./list": b"&x@y"}.__getitem__).plan(b"a@b", b"")


def test_forward_file_step_by_step() -> None:
    text = b'# x\nann, "|cat >f"\nJOE, bob@H\nJoe@Host.Example, (none)'
    assert list(steps(text, b"joe", b"host.example", COMPLETION)) == [
        *((COMMAND, b"cat >f"), (FORWARD, b"ann@host.example")),
        *((FORWARD, b"bob@H.dom.example"), (DIRECT, b"")),
        (DIRECT, b""),
    ]


@pytest.mark.parametrize("text", [b"/file", b"a (", b"a>", b'"|a\0b"', b"a\0"])
def test_forward_file_that_is_refused(text: bytes) -> None:
    with pytest.raises(Refused) as caught:
        list(steps(text, b"joe", b"h", COMPLETION))
    assert caught.value.code == 111
