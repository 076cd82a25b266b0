"""tcpserver's command line (pure but for $UID and $GID, which the caller hands in).

COMPAT: -4, -6, -w and -y are not in the original; its usage line is kept as it is.
"""

from __future__ import annotations

from pytools.base import ip
from pytools.base.exits import TEMPORARY, USAGE, Exit
from pytools.base.options import BadOption, getopt, scan_ulong
from pytools.ucspi.log import NORMAL, QUIET, VERBOSE

SPEC = b"dDvqQhHrR1UXx:t:u:g:l:b:B:c:pPoO46w:y:"
USAGE_LINE = (
    b"tcpserver: usage: tcpserver [ -1UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ]"
    b" [ -B banner ] [ -g gid ] [ -u uid ] [ -b backlog ] [ -l localname ]"
    b" [ -t timeout ] host port program"
)
BAD_NETWORK = b"tcpserver: fatal: unable to understand network "
ANY_HOST = b"0.0.0.0"
INT_MAX = 2**31 - 1
ID_BITS = 0xFFFFFFFF


class Arguments:
    """What the command line asked for; the defaults are those without options."""

    __slots__ = (
        "allow_no_rules",
        "backlog",
        "banner",
        "drain",
        "families",
        "gid",
        "host",
        "kill_options",
        "limit",
        "local_host",
        "look_up_host",
        "look_up_info",
        "no_delay",
        "paranoid",
        "port",
        "print_port",
        "program",
        "proxies",
        "rules",
        "timeout",
        "uid",
        "verbosity",
    )

    def __init__(self) -> None:
        self.allow_no_rules = False
        self.backlog = 20
        self.banner = b""
        self.drain: int | None = None
        """Seconds that sessions have to end after TERM, 0 for ever; None: no wait."""
        self.families = b"46"
        self.gid = 0
        self.host = ANY_HOST
        self.kill_options = True
        self.limit = 40
        self.local_host: bytes | None = None
        self.look_up_host = True
        self.look_up_info = True
        self.no_delay = False
        self.paranoid = False
        self.port = b""
        self.print_port = False
        self.program: list[bytes] = []
        self.proxies: list[tuple[bytes, int]] = []
        """Networks (address, bits) from which a PROXY header is believed."""
        self.rules: bytes | None = None
        self.timeout = 26
        self.uid = 0
        self.verbosity = NORMAL


def parse(argv: list[bytes], env: dict[bytes, bytes]) -> Arguments:
    """The arguments of tcpserver; Exit when they make no sense."""
    result = Arguments()
    try:
        options, words = getopt(argv[1:], SPEC)
    except BadOption as bad:
        raise Exit(USAGE, bad.explain(argv[0], SPEC) + USAGE_LINE) from None
    for letter, value in options:
        _apply(result, letter, value, env)
    if len(words) < 3:
        raise Exit(USAGE, USAGE_LINE if result.verbosity != QUIET else b"")
    host, result.port, *result.program = words
    result.host = ANY_HOST if host in (b"", b"0") else host
    if result.host == ANY_HOST and result.families == b"6":
        result.host = b"::"
    return result


def _apply(
    result: Arguments, letter: bytes, value: bytes, env: dict[bytes, bytes]
) -> None:
    # COMPAT: a number without digits counts as 0, as in the original; -c x serves
    # nobody.
    match letter:
        case b"b":
            result.backlog = min(scan_ulong(value)[0], INT_MAX)
        case b"c":
            result.limit = scan_ulong(value)[0]
        case b"t":
            result.timeout = min(scan_ulong(value)[0], INT_MAX)
        case b"u":
            result.uid = scan_ulong(value)[0] & ID_BITS
        case b"g":
            result.gid = scan_ulong(value)[0] & ID_BITS
        case b"U":
            if b"UID" in env:
                result.uid = scan_ulong(env[b"UID"])[0] & ID_BITS
            if b"GID" in env:
                result.gid = scan_ulong(env[b"GID"])[0] & ID_BITS
        case b"x":
            result.rules = value
        case b"X":
            result.allow_no_rules = True
        case b"B":
            result.banner = value
        case b"l":
            result.local_host = value
        case b"1":
            result.print_port = True
        case b"v" | b"q" | b"Q":
            result.verbosity = {b"v": VERBOSE, b"q": QUIET, b"Q": NORMAL}[letter]
        case b"h" | b"H":
            result.look_up_host = letter == b"h"
        case b"r" | b"R":
            result.look_up_info = letter == b"r"
        case b"p" | b"P":
            result.paranoid = letter == b"p"
        case b"o" | b"O":
            result.kill_options = letter == b"O"
        case b"d" | b"D":
            result.no_delay = letter == b"D"
        case b"4" | b"6":
            result.families = letter
        case b"w":
            result.drain = min(scan_ulong(value)[0], INT_MAX)
        case b"y":
            result.proxies = _networks(value)


def _networks(value: bytes) -> list[tuple[bytes, int]]:
    """``10.0.0.5,2001:db8::/32``. Exit: trust must not be a matter of guessing."""
    found = []
    for word in value.split(b","):
        network = ip.parse_network(word)
        if network is None:
            raise Exit(TEMPORARY, BAD_NETWORK + word)
        found.append(network)
    return found
