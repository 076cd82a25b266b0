"""pytools/ucspi/arguments.py: the command line of tcpserver."""

from __future__ import annotations

import pytest

from pytools.base.exits import Exit
from pytools.ucspi.arguments import USAGE_LINE, parse
from pytools.ucspi.log import NORMAL, QUIET, VERBOSE

REST = [b"0", b"smtp", b"prog", b"-x"]


def test_arguments_without_options_have_the_documented_defaults() -> None:
    result = parse([b"tcpserver", *REST], {})
    assert (result.limit, result.backlog, result.timeout) == (40, 20, 26)
    assert (result.uid, result.gid, result.verbosity) == (0, 0, NORMAL)
    assert (result.host, result.port) == (b"0.0.0.0", b"smtp")
    assert result.program == [b"prog", b"-x"]
    assert result.look_up_host
    assert result.look_up_info
    assert result.kill_options
    assert not result.paranoid
    assert not result.no_delay
    assert result.local_host is None


def test_arguments_of_the_guide_are_understood() -> None:
    line = b"tcpserver -v -R -l here -x /etc/tcp.smtp.cdb -c 20 -u 7 -g 8"
    result = parse([*line.split(), *REST], {})
    assert result.verbosity == VERBOSE
    assert not result.look_up_info
    assert result.local_host == b"here"
    assert result.rules == b"/etc/tcp.smtp.cdb"
    assert (result.limit, result.uid, result.gid) == (20, 7, 8)


@pytest.mark.parametrize("host", [b"", b"0"])
def test_host_empty_or_zero_is_any(host: bytes) -> None:
    assert parse([b"tcpserver", host, b"1", b"prog"], {}).host == b"0.0.0.0"


def test_option_u_capital_takes_ids_from_environment() -> None:
    argv = [b"tcpserver", b"-U", *REST]
    result = parse(argv, {b"UID": b"12", b"GID": b"13x"})
    assert (result.uid, result.gid) == (12, 13)
    assert parse(argv, {}).uid == 0


def test_later_options_undo_earlier_ones() -> None:
    result = parse([b"tcpserver", b"-vqHhRrPpoOdDQ", *REST], {})
    assert result.verbosity == NORMAL
    assert result.look_up_host
    assert result.look_up_info
    assert result.paranoid
    assert result.kill_options
    assert result.no_delay


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([b"-z"], b"x: illegal option -- z\n" + USAGE_LINE),
        ([b"-c"], b"x: option requires an argument -- c\n" + USAGE_LINE),
        ([b"-q", b"-z"], b"x: illegal option -- z\n" + USAGE_LINE),
        ([b"0", b"1"], USAGE_LINE),
        ([b"-q", b"0", b"1"], b""),
    ],
)
def test_misuse_is_100_with_the_usage_line(words: list[bytes], text: bytes) -> None:
    with pytest.raises(Exit) as caught:
        parse([b"/bin/x", *words], {})
    assert (caught.value.code, caught.value.text) == (100, text)


def test_number_without_digits_is_zero() -> None:
    assert parse([b"tcpserver", b"-c", b"x", *REST], {}).limit == 0


def test_quiet_is_remembered() -> None:
    assert parse([b"tcpserver", b"-q", *REST], {}).verbosity == QUIET


def test_options_of_today_have_defaults_that_change_nothing() -> None:
    plain = parse([b"tcpserver", b"0", b"25", b"true"], {})
    assert (plain.families, plain.drain, plain.proxies) == (b"46", None, [])
    assert plain.host == b"0.0.0.0"
    words = [b"tcpserver", b"-6w", b"20", b"-y10.0.0.0/8,::1", b"0", b"25", b"true"]
    asked = parse(words, {})
    assert (asked.families, asked.drain, asked.host) == (b"6", 20, b"::")
    assert asked.proxies == [(b"\x0a\0\0\0", 8), (bytes(15) + b"\1", 128)]


@pytest.mark.parametrize("networks", [b"", b"10.0.0.1/8", b"proxy.example", b"::1,"])
def test_network_that_is_none_is_fatal(networks: bytes) -> None:
    with pytest.raises(Exit) as end:
        parse([b"tcpserver", b"-y", networks, b"0", b"25", b"true"], {})
    assert end.value.code == 111
    assert end.value.text.startswith(b"tcpserver: fatal: unable to understand network")
