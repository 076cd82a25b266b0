"""The variables that programs of a .qmail file see."""

from __future__ import annotations

import pytest

from qmail.local.environment import variables

NOW = 1795356653  # Sun Nov 22 14:10:53 2026


def made(
    ext: bytes = b"", host: bytes = b"h", sender: bytes = b"", local: bytes = b"l"
) -> dict[bytes, bytes]:
    return variables(b"user", b"/home/user", local, ext, host, sender, NOW)


def test_variables_name_the_address() -> None:
    env = made(ext=b"e", host=b"example.org", sender=b"s@t", local=b"user-e")
    assert env[b"USER"] == b"user"
    assert env[b"HOME"] == b"/home/user"
    assert env[b"LOCAL"] == b"user-e"
    assert env[b"HOST"] == b"example.org"
    assert env[b"RECIPIENT"] == b"user-e@example.org"
    assert env[b"SENDER"] == b"s@t"


@pytest.mark.parametrize(
    ("ext", "parts"),
    [
        (b"", [b"", b"", b"", b""]),
        (b"a", [b"a", b"", b"", b""]),
        (b"a-b", [b"a-b", b"b", b"", b""]),
        (b"a-b-c-d-e", [b"a-b-c-d-e", b"b-c-d-e", b"c-d-e", b"d-e"]),
        (b"--", [b"--", b"-", b"", b""]),
    ],
)
def test_ext_parts_follow_the_dashes(ext: bytes, parts: list[bytes]) -> None:
    env = made(ext=ext)
    assert [env[b"EXT" + n] for n in (b"", b"2", b"3", b"4")] == parts


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        (b"a.b.c.d", [b"a.b.c", b"a.b", b"a"]),
        (b"a.b", [b"a", b"a", b"a"]),
        (b"a", [b"a", b"a", b"a"]),
        (b".a", [b"", b"", b""]),
        (b"", [b"", b"", b""]),
    ],
)
def test_host_parts_precede_the_last_dots(host: bytes, parts: list[bytes]) -> None:
    env = made(host=host)
    assert [env[b"HOST" + n] for n in (b"2", b"3", b"4")] == parts


def test_lines_of_an_ordinary_message() -> None:
    env = made(sender=b"s@t")
    assert env[b"DTLINE"] == b"Delivered-To: l@h\n"
    assert env[b"RPLINE"] == b"Return-Path: <s@t>\n"
    assert env[b"UFLINE"] == b"From s@t Sun Nov 22 14:10:53 2026\n"


def test_lines_of_a_bounce() -> None:
    env = made(sender=b"")
    assert env[b"RPLINE"] == b"Return-Path: <>\n"
    assert env[b"UFLINE"] == b"From MAILER-DAEMON Sun Nov 22 14:10:53 2026\n"


def test_line_feeds_of_an_address_do_not_make_lines() -> None:
    env = made(sender=b"a b\n\tc@d\n", local=b"x\ny", host=b"h\nz")
    assert env[b"RPLINE"] == b'Return-Path: <"a b\\_\tc"@d_>\n'
    assert env[b"DTLINE"] == b"Delivered-To: x_y@h_z\n"
    assert env[b"UFLINE"].startswith(b"From a-b--c@d- Sun")
    # The plain variables are what they are.
    assert env[b"SENDER"] == b"a b\n\tc@d\n"
    assert env[b"RECIPIENT"] == b"x\ny@h\nz"
