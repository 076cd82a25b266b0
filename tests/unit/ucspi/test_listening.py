"""pytools/ucspi/listening.py: hosts and ports on the command line."""

from __future__ import annotations

import pytest

from pytools.base.exits import Exit
from pytools.ucspi.listening import (
    find_address,
    find_port,
    literal_ip4,
    literal_ip6,
)
from pytools.ucspi.log import NORMAL, Log

LOG = Log(NORMAL)


@pytest.mark.parametrize(
    ("text", "number"),
    [(b"25", 25), (b"0", 0), (b"70000", 4464), (b"smtp", 25), (b"pop3", 110)],
)
def test_port_by_number_or_name(text: bytes, number: int) -> None:
    assert find_port(text, LOG) == number


@pytest.mark.parametrize("text", [b"12x", b"nosuchport"])
def test_port_unknown_is_fatal(text: bytes) -> None:
    with pytest.raises(Exit) as caught:
        find_port(text, LOG)
    assert caught.value.code == 111
    assert caught.value.text.endswith(b"unable to figure out port number for " + text)


@pytest.mark.parametrize(
    ("host", "packed"),
    [
        (b"127.0.0.1", b"\x7f\0\0\1"),
        (b"[127.0.0.1]", b"\x7f\0\0\1"),
        (b"127.0.0.300", b"\x7f\0\0\x2c"),
        (b"127.1", b""),
        (b"host.1", None),
    ],
)
def test_literal_address_is_read_as_the_original_does(
    host: bytes, packed: bytes | None
) -> None:
    assert literal_ip4(host) == packed


def test_host_with_too_few_numbers_has_no_address() -> None:
    assert find_address(b"127.0.0.1", b"46", LOG) == ("127.0.0.1", 0)
    with pytest.raises(Exit) as caught:
        find_address(b"127.1", b"46", LOG)
    assert caught.value.text == b"tcpserver: fatal: no IP address for 127.1"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (b"::1", (bytes(15) + b"\1", 0)),
        (b"[::]", (bytes(16), 0)),
        (b"fe80::1%lo", (b"\xfe\x80" + bytes(13) + b"\1", 1)),
        (b"fe80::1%none", (b"\xfe\x80" + bytes(13) + b"\1", -1)),
        (b"127.0.0.1", None),
        (b"a.example", None),
        (b"1::2::3", None),
    ],
)
def test_literal_ip6_address_may_have_brackets_and_an_interface(
    host: bytes, found: tuple[bytes, int] | None
) -> None:
    assert literal_ip6(host) == found


@pytest.mark.parametrize(
    ("host", "families", "address"),
    [
        (b"::1", b"46", ("::1", 0, 0, 0)),
        (b"::1", b"6", ("::1", 0, 0, 0)),
        (b"::ffff:127.0.0.1", b"46", ("127.0.0.1", 0)),
        (b"::1", b"4", None),
        (b"127.0.0.1", b"6", None),
        (b"::ffff:127.0.0.1", b"6", None),
        (b"fe80::1%none", b"46", None),
    ],
)
def test_families_restrict_what_a_host_may_be(
    host: bytes, families: bytes, address: object
) -> None:
    if address is not None:
        assert find_address(host, families, LOG) == address
        return
    with pytest.raises(Exit) as caught:
        find_address(host, families, LOG)
    assert caught.value.text == b"tcpserver: fatal: no IP address for " + host
