"""dot-forward: do what a .forward file says, from a .qmail file.

Contract     dot-forward(1), run by qmail-local in the user's home; descriptor 0 is the
             message. 99 when a file has taken care of it; 0 when none has anything to
             say, or one names the user himself: the rest of the .qmail file delivers
             then. 100 and 111 when a program or the queue says so; 111 for a file that
             cannot be read or understood.
Order        all of a file is read before anything is done, the queue gets the message
             last. COMPAT: the original runs the programs above a line that it cannot
             understand, and again at every retry.
"""

from __future__ import annotations

from pytools.base import signals
from pytools.base.environment import environ
from pytools.base.exits import Exit, Strerr, complain
from pytools.base.options import BadOption, getopt
from qmail.forwarding import passing
from qmail.forwarding.dotforward import COMMAND, DIRECT, FORWARD, steps
from qmail.forwarding.files import read_completion
from qmail.forwarding.regular import read_regular
from qmail.forwarding.source import Refused
from qmail.local.feeding import READ, Trouble, feed
from qmail.queue import onward

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmail.forwarding.addresses import Completion
    from qmail.forwarding.dotforward import Step

ERRORS = Strerr(b"dot-forward")
HANDLED = 99


def main(argv: list[bytes]) -> int:
    signals.ignore(signals.SIGPIPE)
    try:
        options, paths = getopt(argv[1:], b"nN")
    except BadOption:
        raise ERRORS.usage(b"dot-forward [ -nN ] file ...") from None
    describing = bool(options) and options[-1][0] == b"n"
    completion = read_completion(ERRORS, {})
    for path in paths:
        text = _read(path)
        if text is None:
            continue
        found = _steps(text, completion)
        kinds = _describe(found) if describing else _carry_out(list(found))
        if DIRECT in kinds:
            break
        if kinds:
            return HANDLED
        if describing:
            complain(b"skipping empty file " + path)
    if describing:
        complain(b"direct delivery")
    return 0


def _read(path: bytes) -> bytes | None:
    """The file, or None if there is none."""
    try:
        return read_regular(path, ERRORS)
    except FileNotFoundError:
        return None
    except OSError as error:
        verb = b"read " if error.filename is None else b"open "
        raise ERRORS.fatal(b"unable to ", verb, path, error=error) from None


def _steps(text: bytes, completion: Completion) -> Iterator[Step]:
    user, host = environ.get(b"USER", b""), environ.get(b"HOST", b"")
    try:
        yield from steps(text, user, host, completion)
    except Refused as refused:
        raise ERRORS.fatal(refused.reason, code=refused.code) from None


def _describe(found: Iterator[Step]) -> set[bytes]:
    """Print the steps; their kinds."""
    kinds = set()
    for kind, what in found:
        kinds.add(kind)
        if kind != DIRECT:
            complain(kind + b" " + what)
    return kinds


def _carry_out(found: list[Step]) -> set[bytes]:
    """Do the steps, the queue's last; their kinds."""
    for kind, command in found:
        if kind == COMMAND:
            _run(command)
    recipients = [address for kind, address in found if kind == FORWARD]
    if recipients:
        qp = onward.submit(
            environ.get(b"DTLINE", b""),
            environ.get(b"NEWSENDER", b""),
            recipients,
            ERRORS,
            prefix=b"unable to forward message: ",
        )
        complain(b"dot-forward: info: qp %d" % qp)
    return {kind for kind, _ in found}


def _run(command: bytes) -> None:
    """Feed the message, with the lines that mail programs want before it."""
    head = b"".join(environ.get(n, b"") for n in (b"UFLINE", b"RPLINE", b"DTLINE"))
    try:
        code = feed([b"/bin/sh", b"-c", command], head, _cannot_run)
    except Trouble as trouble:
        what = b"unable to read message" if trouble.what == READ else trouble.what
        raise ERRORS.fatal(what, error=trouble.error) from None
    passing.conclude(code, ERRORS)


def _cannot_run(error: OSError) -> Exit:
    return ERRORS.fatal(b"unable to run /bin/sh", error=error)
