"""tcpclient's command line (pure)."""

from __future__ import annotations

import _socket

from pytools.base import ip
from pytools.base.exits import TEMPORARY, USAGE, Exit, complain, reason
from pytools.base.options import BadOption, getopt, scan_ulong
from pytools.base.services import port_by_name
from pytools.ucspi.log import NORMAL, QUIET, VERBOSE

SPEC = b"46dDvqQhHrRi:p:t:T:l:"
USAGE_LINE = (
    b"tcpclient: usage: tcpclient [ -hHrRdDqQv ] [ -i localip ] [ -p localport ]"
    b" [ -T timeoutconn ] [ -l localname ] [ -t timeoutinfo ] host port program"
)
PORTS = 65536
UINT = 2**32


class Talk:
    """What tcpclient writes on descriptor 2: nothing, errors, or also the events."""

    __slots__ = ("verbosity",)

    def __init__(self, verbosity: int) -> None:
        self.verbosity = verbosity

    def fatal(self, *parts: bytes, error: OSError | None = None) -> Exit:
        """The Exit of a client that cannot go on; raise it."""
        text = b"tcpclient: fatal: " + b"".join(parts)
        if error is not None:
            text += b": " + reason(error)
        return Exit(TEMPORARY, text if self.verbosity > QUIET else b"")

    def usage(self) -> Exit:
        """The Exit for a command line that lacks something; raise it."""
        return Exit(USAGE, USAGE_LINE if self.verbosity > QUIET else b"")

    def failed(self, peer: bytes, port: int, error: OSError) -> None:
        """Say that one address could not be connected to."""
        if self.verbosity > QUIET:
            line = b"tcpclient: unable to connect to %b port %d: %b"
            complain(line % (peer, port, reason(error)))

    def connected(self, peer: bytes, port: int) -> None:
        """Say whom we are connected to."""
        if self.verbosity >= VERBOSE:
            complain(b"tcpclient: connected to %b port %d" % (peer, port))


class Arguments:
    """What the command line asked for; the defaults are those without options."""

    __slots__ = (
        *("family", "host", "info_seconds", "local_host", "local_ip", "local_port"),
        *("look_up_host", "look_up_info", "no_delay", "port", "program", "seconds"),
        "talk",
    )

    def __init__(self) -> None:
        self.family = 0
        """AF_INET or AF_INET6 when only that is wanted."""
        self.host = b""
        self.info_seconds = 26
        self.local_host: bytes | None = None
        self.local_ip = ""
        """The address to connect from; empty for whatever fits."""
        self.local_port = 0
        self.look_up_host = True
        self.look_up_info = True
        self.no_delay = False
        self.port = 0
        self.program: list[bytes] = []
        self.seconds = (2, 58)
        """To wait for each address: in the first round, and in the second."""
        self.talk = Talk(NORMAL)


def parse(argv: list[bytes]) -> Arguments:
    """The arguments of tcpclient; Exit when they make no sense."""
    result = Arguments()
    try:
        options, words = getopt(argv[1:], SPEC)
    except BadOption as bad:
        # An address that is none ends it before the option that nobody knows is seen.
        for letter, value in bad.before:
            _apply(result, letter, value)
        raise Exit(USAGE, bad.explain(argv[0], SPEC) + USAGE_LINE) from None
    for letter, value in options:
        _apply(result, letter, value)
    talk = result.talk
    if len(words) < 2:
        raise talk.usage()
    result.host, port, *result.program = words
    # COMPAT: a port that nobody knows is said before a program that is missing.
    result.port = _find_port(port, talk)
    if not result.program:
        raise talk.usage()
    if result.host in (b"", b"0"):
        ipv6 = result.family == _socket.AF_INET6
        result.host = b"::1" if ipv6 else b"127.0.0.1"
    return result


def _apply(result: Arguments, letter: bytes, value: bytes) -> None:
    # COMPAT: a number without digits counts as 0, and one that is too large is cut.
    match letter:
        case b"4" | b"6":
            _want(result, _socket.AF_INET if letter == b"4" else _socket.AF_INET6)
        case b"d" | b"D":
            result.no_delay = letter == b"D"
        case b"v" | b"q" | b"Q":
            result.talk = Talk({b"v": VERBOSE, b"q": QUIET, b"Q": NORMAL}[letter])
        case b"h" | b"H":
            result.look_up_host = letter == b"h"
        case b"r" | b"R":
            result.look_up_info = letter == b"r"
        case b"i":
            result.local_ip = _local_ip(value)
            ipv6 = ":" in result.local_ip
            _want(result, _socket.AF_INET6 if ipv6 else _socket.AF_INET)
        case b"p":
            result.local_port = scan_ulong(value)[0] % PORTS
        case b"t":
            result.info_seconds = scan_ulong(value)[0] % UINT
        case b"T":
            first, digits = scan_ulong(value)
            rest = value[digits:].removeprefix(b"+")
            result.seconds = (first % UINT, scan_ulong(rest)[0] % UINT)
        case b"l":
            result.local_host = value


def _want(result: Arguments, family: int) -> None:
    """Have only addresses of this family."""
    if result.family not in (0, family):
        raise Exit(USAGE, USAGE_LINE)
    result.family = family


def _local_ip(text: bytes) -> str:
    """The address of -i; Exit if it is none.

    COMPAT: what follows the fourth number is ignored, and a number is cut to a byte.
    """
    if b":" in text:
        packed = ip.parse_ip6(text)
        if packed is None:
            raise Exit(USAGE, USAGE_LINE)
        return ip.format_ip(ip.unmapped(packed)).decode()
    numbers = []
    rest = text
    for place in range(4):
        if place:
            if not rest.startswith(b"."):
                raise Exit(USAGE, USAGE_LINE)
            rest = rest[1:]
        number, digits = scan_ulong(rest)
        if not digits:
            raise Exit(USAGE, USAGE_LINE)
        numbers.append(str(number & 255))
        rest = rest[digits:]
    return ".".join(numbers)


def _find_port(name: bytes, talk: Talk) -> int:
    """The number of a port given as a number or by name; Exit if there is none."""
    number, digits = scan_ulong(name)
    if digits == len(name):
        return number % PORTS
    known = port_by_name(name)
    if known is None:
        raise talk.fatal(b"unable to figure out port number for ", name)
    return known
