"""qmail/smtp/parameters.py."""

from __future__ import annotations

import pytest

from qmail.smtp.parameters import refusal_of_recipient, refusal_of_sender

TAKEN = [
    b"",
    b" ",
    b" SIZE=1000",
    b" SIZE=0",
    b" size=1000 body=8bitmime",
    b" BODY=7BIT",
    b" BODY=8BITMIME SIZE=1",
    b" SIZE=00000000000000001000",
    b" AUTH=<>",
    b" AUTH=a+40b",
]
TOO_BIG = [
    b" SIZE=1001",
    b" SIZE=99999999999999999999",
    b"SIZE=1001",
    b" SIZE=1 SIZE=1001",
    b" X=Y SIZE=1001",
]
UNKNOWN = [
    b" SIZE",
    b" SIZE=",
    b" SIZE=abc",
    b" SIZE=-1",
    b" SIZE=+1",
    b" SIZE=1K",
    b" SIZE=1.0",
    b" SIZE=\xb2",
    b" SIZE=000000000000000001000",
    b" SIZE= 5",
    b" BODY",
    b" BODY=",
    b" BODY=BINARYMIME",
    b" SMTPUTF8",
    b" RET=FULL",
    b" X",
    b" =",
    b">",
    b" SIZE=1 X",
]


@pytest.mark.parametrize("parameters", TAKEN)
@pytest.mark.parametrize("is_extended", [False, True])
def test_parameters_known_are_taken(parameters: bytes, is_extended: bool) -> None:
    assert refusal_of_sender(parameters, 1000, is_extended=is_extended) == b""


@pytest.mark.parametrize("parameters", TOO_BIG)
@pytest.mark.parametrize("is_extended", [False, True])
def test_parameters_size_above_the_limit_is_552(
    parameters: bytes, is_extended: bool
) -> None:
    reply = refusal_of_sender(parameters, 1000, is_extended=is_extended)
    assert reply.startswith(b"552 ")
    assert reply.endswith(b" (#5.3.4)\r\n")
    without = refusal_of_sender(parameters, 0, is_extended=False)
    assert without == b""


@pytest.mark.parametrize("parameters", UNKNOWN)
def test_parameters_unknown_are_555_after_ehlo_only(parameters: bytes) -> None:
    reply = refusal_of_sender(parameters, 1000, is_extended=True)
    assert reply.startswith(b"555 ")
    assert refusal_of_sender(parameters, 1000, is_extended=False) == b""


@pytest.mark.parametrize("parameters", [b" NOTIFY=NEVER", b" X", b"x"])
def test_parameters_of_recipient_are_555_after_ehlo_only(parameters: bytes) -> None:
    assert refusal_of_recipient(parameters, is_extended=True).startswith(b"555 ")
    assert refusal_of_recipient(parameters, is_extended=False) == b""


@pytest.mark.parametrize("parameters", [b"", b"  "])
def test_parameters_none_of_recipient(parameters: bytes) -> None:
    assert refusal_of_recipient(parameters, is_extended=True) == b""
