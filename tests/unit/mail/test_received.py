"""qmail/mail/received.py."""

from __future__ import annotations

from qmail.mail.received import received, safe


def line(**changes: bytes | None) -> bytes:
    values: dict[str, bytes | None] = {
        "local": b"me.example",
        "remote_ip": b"192.0.2.1",
        "remote_host": b"host.example",
        "remote_info": None,
        "helo": None,
        **changes,
    }
    return received(b"SMTP", now=1700000000, **values)  # type: ignore[arg-type]


def test_received_line_without_claims() -> None:
    assert line() == (
        b"Received: from host.example (192.0.2.1)\n"
        b"  by me.example with SMTP; 14 Nov 2023 22:13:20 -0000\n"
    )


def test_received_line_with_helo_and_info() -> None:
    assert line(helo=b"other", remote_info=b"joe").startswith(
        b"Received: from host.example (HELO other) (joe@192.0.2.1)\n"
    )


def test_received_empty_helo_and_info_are_shown() -> None:
    assert line(helo=b"", remote_info=b"").startswith(
        b"Received: from host.example (HELO ) (@192.0.2.1)\n"
    )


def test_received_stranger_cannot_break_the_line() -> None:
    text = line(helo=b"x)\r\n\tReceived: y", remote_info=b"\n", remote_host=b"\xff(")
    assert text.count(b"\n") == 2
    assert b"(HELO x????Received:?y) (?@192.0.2.1)" in text


def test_received_safe_characters_stay() -> None:
    text = b"azAZ09.@%+/=:-"
    assert safe(text) == text
    assert safe(bytes(range(256))).count(b"?") == 256 - 70
