"""rblsmtpd: refuse mail from clients that a list in the DNS names; else run a program.

Contract     descriptors 0 and 1 are the client's, $TCPREMOTEIP its address. $RBLSMTPD, if
             set, decides without any list: empty accepts, ``-text`` refuses for good,
             any other text for now.
Lists        all are asked at once and judged in the order of the options (dnslists).
Exit         0 after a refusal; 100 usage; 111 if the program cannot be run.
"""

from __future__ import annotations

import posix

from pytools.base import fds, signals
from pytools.base.environment import environ
from pytools.base.exits import USAGE, Exit, Next, complain
from pytools.base.options import BadOption, getopt, scan_ulong
from pytools.base.peer import DeadlinePeer, Hangup, OutOfTime
from pytools.process import resolver
from pytools.process.dnsanswers import DnsTemporary
from pytools.ucspi import dnslists
from pytools.ucspi.dnslists import ACCEPT, PERMANENT, TEMPORARY, List, Verdict
from pytools.ucspi.refusing import GREETING, Session, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytools.process.dnsanswers import Answer

REUSABLE = True
"""It changes nothing of the process (chain.is_reusable)."""
SPEC = b"bBcCt:r:a:"
USAGE_LINE = (
    b"rblsmtpd: usage: rblsmtpd [ -b ] [ -R ] [ -t timeout ] [ -r base ] [ -a base ]"
    b" smtpd [ arg ... ]"
)
TIMEOUT_SECONDS = 60
LOOKUP_SECONDS = 20
"""For all lists together. COMPAT: the original waits up to a minute for each."""
LONGEST_SECONDS = 2_000_000
"""poll waits for no more milliseconds than fit into an int."""


class Client(DeadlinePeer):
    """Who is refused: he is not waited for a moment longer, whatever is to be said."""

    __slots__ = ()

    def _write_seconds(self) -> float:
        return self._read_seconds()


class Arguments:
    """What the command line asked for."""

    __slots__ = ("lists", "program", "timeout")

    def __init__(self) -> None:
        self.lists: list[List] = []
        self.program: list[bytes] = []
        self.timeout = TIMEOUT_SECONDS


def parse(argv: list[bytes]) -> Arguments:
    """The arguments; Exit when they make no sense."""
    try:
        options, words = getopt(argv[1:], SPEC)
    except BadOption as bad:
        raise Exit(USAGE, bad.explain(argv[0], SPEC) + USAGE_LINE) from None
    if not words:
        raise Exit(USAGE, USAGE_LINE)
    result = Arguments()
    result.program = words
    is_permanent = fails_closed = False
    for letter, value in options:
        if letter in b"bB":
            is_permanent = letter == b"b"
        elif letter in b"cC":
            fails_closed = letter == b"c"
        elif letter == b"t":
            result.timeout = scan_ulong(value)[0]
        else:
            # -b and -c concern the lists that come after them.
            result.lists.append(List(letter, value, is_permanent, fails_closed))
    # COMPAT: without -r 0.88 asks rbl.maps.vix.com, which is dead; Debian's, as this,
    # asks nobody.
    return result


def next_program(argv: list[bytes]) -> list[bytes] | None:
    """The program that would be run for a client that is not refused."""
    try:
        return parse(argv).program
    except Exit:
        return None


def main(argv: list[bytes]) -> int:
    args = parse(argv)
    ip = environ.get(b"TCPREMOTEIP", b"")
    told = environ.get(b"RBLSMTPD")
    verdict = ask(args.lists, ip) if told is None else decided(told)
    if verdict.code == ACCEPT:
        raise Next(args.program)
    line = refusal(verdict.code, verdict.text)
    complain(b"rblsmtpd: %b pid %d: %b" % (ip, posix.getpid(), line))
    try:
        refuse(line, args.timeout)
    except OSError:
        # The client is gone, or nothing was there to talk on.
        pass
    return 0


def decided(told: bytes) -> Verdict:
    """What $RBLSMTPD says."""
    if told.startswith(b"-"):
        return Verdict(PERMANENT, told[1:])
    return Verdict(TEMPORARY if told else ACCEPT, told)


def ask(lists: list[List], ip: bytes) -> Verdict:
    """What the lists say of the client."""
    lists = dnslists.that_matter(lists)
    if not lists:
        return Verdict(ACCEPT)
    queries = dnslists.queries(lists, dnslists.reversed_ip(ip))

    def is_enough(answers: list[Answer | None]) -> bool:
        return dnslists.verdict(lists, answers, ip) is not None

    answers = resolver.ask_many(queries, LOOKUP_SECONDS, is_enough)
    verdict = dnslists.verdict(lists, answers, ip)
    if verdict is None:
        # Who has not answered by now counts as one who could not.
        late = DnsTemporary()
        known = [late if answer is None else answer for answer in answers]
        verdict = dnslists.verdict(lists, [*known], ip)
        assert verdict is not None
    return verdict


def refuse(line: bytes, seconds: int) -> None:
    """Talk to the client on descriptors 0 and 1 until it quits or the time is over."""
    if not seconds:
        fds.write_all(1, line + b"\r\n")
        return
    signals.set_default(signals.SIGALRM)
    client = Client(min(seconds, LONGEST_SECONDS))
    session = Session(line)
    try:
        client.send(GREETING)
        while not session.is_over and (chunk := client.receive()):
            for reply in session.receive(chunk):
                client.send(reply)
        client.flush()
    except (Hangup, OutOfTime):
        pass
    finally:
        signals.alarm(0)
