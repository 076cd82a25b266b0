"""preline: feed a message to a program, with the lines before it that it may want.

Contract     preline [-frdFRD] command [arg ...], run by qmail-local, whose UFLINE,
             RPLINE and DTLINE come before the message of fd 0; f, r and d leave one of
             them out. The status is the command's; 100 for misuse or a command that
             cannot be run, 111 otherwise.
Whole        a message that cannot be read to its end is 111, and the command is killed
             before it sees an end.
"""

from __future__ import annotations

from pytools.base.environment import environ
from pytools.base.exits import USAGE, Exit, Strerr, complain, is_temporary
from pytools.base.options import BadOption, getopt
from qmail.local.feeding import READ, WRITE, Trouble, feed

PROG = Strerr(b"preline")
SPARE = 8192
"""The command need not read the last bytes. COMPAT: if it leaves more, it has failed."""
LINES = {b"f": b"UFLINE", b"r": b"RPLINE", b"d": b"DTLINE"}


def main(argv: list[bytes]) -> int:
    """Run the command with the message, the lines first."""
    head, command = parse(argv[1:], environ)

    def cannot_run(error: OSError) -> Exit:
        code = 111 if is_temporary(error) else USAGE
        return PROG.fatal(b"unable to run ", command[0], code=code, error=error)

    try:
        return feed(command, head, cannot_run, spare=SPARE)
    except Trouble as trouble:
        copying = trouble.what in (READ, WRITE)
        what = b"unable to copy input" if copying else trouble.what
        raise PROG.fatal(what, error=trouble.error) from None


def parse(args: list[bytes], env: dict[bytes, bytes]) -> tuple[bytes, list[bytes]]:
    """(the lines to come first, the command). Raises Exit on misuse."""
    usage = PROG.usage(b"preline cmd [ arg ... ]")
    if any(name not in env for name in LINES.values()):
        raise usage
    try:
        options, command = getopt(args, b"frdFRD")
    except BadOption as bad:
        complain(b"preline: illegal option -- " + bad.letter)
        raise usage from None
    if not command:
        raise usage
    # Of f and F, the last one counts.
    left_out = {letter.lower(): letter.islower() for letter, _ in options}
    head = b"".join(
        env[name] for letter, name in LINES.items() if not left_out.get(letter)
    )
    return head, command
