"""fastforward: send the message on as a forwarding table says, from a .qmail file.

Contract     fastforward(1), run by qmail-local; descriptor 0 is the message. 0 or, with
             -p, 99 when it is passed on; 0 with -p and 100 without when the recipient is
             in no target; 100 and 111 when a program or the queue says so; 111 when the
             table leads to nobody but round in a circle.
Order        all of the table and its lists is read before anything is done, the queue
             gets the message last. COMPAT: the original runs a program as soon as it has
             found it, and again at every retry that an unreadable list brings about.
"""

from __future__ import annotations

from pytools.base import signals
from pytools.base.cdb import Broken, Cdb
from pytools.base.environment import environ
from pytools.base.exits import USAGE, Exit, Next, Strerr, complain
from pytools.base.options import BadOption, getopt
from qmail.forwarding import passing
from qmail.forwarding.expansion import Expansion
from qmail.forwarding.regular import read_regular
from qmail.forwarding.table import Malformed
from qmail.queue import onward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from qmail.forwarding.expansion import Plan

ERRORS = Strerr(b"fastforward")
UNKNOWN = b"Sorry, no mailbox here by that name. (#5.1.1)"
PASS_ON = 99


def main(argv: list[bytes]) -> int:
    signals.ignore(signals.SIGPIPE)
    flags, path = _arguments(argv[1:])
    with _open(path) as table:
        recipient = _recipient(environ, by_default=b"d" in flags)
        plan = _plan(table, path, recipient)
    if plan is None:
        if b"p" in flags:
            return 0
        raise Exit(USAGE, UNKNOWN)
    done = PASS_ON if b"p" in flags else 0
    if b"n" in flags:
        _describe(plan)
    if plan.circle is not None and not plan.programs and not plan.recipients:
        # COMPAT: to the original nobody is a success, and the mail is lost. Who names
        # an empty list means it; who names a circle does not.
        who, where = _printable(recipient), _printable(plan.circle)
        back = b" leads back to itself"
        raise ERRORS.fatal(who, b" leads to nobody: ", where, back)
    if b"n" in flags:
        return done
    for program in plan.programs:
        _run(program)
    if not plan.recipients:
        return done
    head = environ.get(b"DTLINE", b"")
    qp = onward.submit(head, plan.sender, plan.recipients, ERRORS)
    raise Exit(done, b"fastforward: qp %d" % qp)


def _arguments(words: list[bytes]) -> tuple[set[bytes], bytes]:
    """(the letters of n, p and d that are on, the table)."""
    usage = ERRORS.usage(b"fastforward [ -nNpPdD ] data.cdb")
    try:
        options, rest = getopt(words, b"nNpPdD")
    except BadOption:
        raise usage from None
    if not rest:
        raise usage
    on = {letter.lower(): letter.islower() for letter, _ in options}
    return {letter for letter in on if on[letter]}, rest[0]


def _recipient(env: dict[bytes, bytes], *, by_default: bool) -> bytes:
    if not by_default:
        if b"RECIPIENT" not in env:
            raise ERRORS.fatal(b"$RECIPIENT must be set", code=USAGE)
        return env[b"RECIPIENT"]
    local = env.get(b"DEFAULT", env.get(b"EXT"))
    if local is None:
        raise ERRORS.fatal(b"$DEFAULT or $EXT must be set", code=USAGE)
    if b"HOST" not in env:
        raise ERRORS.fatal(b"$HOST must be set", code=USAGE)
    return local + b"@" + env[b"HOST"]


def _open(path: bytes) -> Cdb:
    try:
        return Cdb(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def _plan(table: Cdb, path: bytes, recipient: bytes) -> Plan | None:
    sender = environ.get(b"SENDER", b"original envelope sender")

    def get(key: bytes) -> bytes | None:
        try:
            return table.get(key)
        except OSError as error:
            raise _unreadable(path, error) from None

    try:
        return Expansion(get, _read_list).plan(recipient, sender)
    except Malformed:
        # COMPAT: the original leaves out what it cannot read, and the recipients with
        # it, and calls that a success. A retry after the repair loses nothing.
        text = b"malformed instructions in "
        raise ERRORS.fatal(text, path, b" or a list of it") from None


def _read_list(path: bytes) -> bytes:
    """A compiled list. Who made it is no matter, but all may read it.

    SECURITY: else its owner could have us read for him what he must not.
    """
    try:
        return read_regular(path, ERRORS, world_readable=True)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: bytes, error: OSError) -> Exit:
    if isinstance(error, Broken):
        return ERRORS.fatal(b"unable to read ", path, b": malformed cdb")
    return ERRORS.fatal(b"unable to read ", path, error=error)


def _describe(plan: Plan) -> None:
    for program in plan.programs:
        complain(b"run " + _printable(program))
    if not plan.recipients:
        complain(b"no forwarding")
        return
    complain(b"from <%b>" % _printable(plan.sender))
    for recipient in plan.recipients:
        complain(b"to <%b>" % _printable(recipient))


def _printable(text: bytes) -> bytes:
    return bytes(byte if 32 <= byte < 128 else 0x5F for byte in text)


def _run(command: bytes) -> None:
    """Run ``|program`` or ``!program``, which gets the message with preline's lines."""
    argv = [b"sh", b"-c", command[1:]]
    if command.startswith(b"!"):
        argv.insert(0, b"preline")

    def become() -> NoReturn:
        signals.set_default(signals.SIGPIPE)
        raise Next(
            argv,
            on_error=lambda error: ERRORS.fatal(
                b"unable to run ", command, error=error
            ),
        )

    pid = passing.start(become, ERRORS)
    passing.finish(pid, b" in " + command, ERRORS)
