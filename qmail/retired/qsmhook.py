"""qsmhook: call a mailer that was written for sendmail, from a line of a .qmail file.

Contract     qsmhook [-DFlMmnPs] [-xprefix] command [arg ...], run by qmail-local. In the
             words of the command %g is the sender, %h the host, %u the recipient and %%
             a percent sign. The status is the command's; 100 for misuse or a command
             that cannot be run, 111 otherwise.
"""

from __future__ import annotations

from pytools.base.environment import environ
from pytools.base.exits import TEMPORARY, USAGE, Exit, Strerr, is_temporary
from pytools.base.options import BadOption, getopt
from qmail.local.feeding import READ, Trouble, feed

PROG = Strerr(b"qsmhook")
OPTIONS = b"DFlMmnPsx:"
NEEDED = (b"DTLINE", b"RPLINE", b"UFLINE", b"LOCAL", b"HOST", b"SENDER")
PROBLEM = b"temporary problem"


def main(argv: list[bytes]) -> int:
    """Run the command with the message."""
    head, command = parse(argv, environ)
    try:
        return feed(command, head, _cannot_run)
    except Trouble as trouble:
        what = b"unable to read message" if trouble.what == READ else PROBLEM
        raise PROG.fatal(what) from None


def parse(argv: list[bytes], env: dict[bytes, bytes]) -> tuple[bytes, list[bytes]]:
    """(the lines that come before the message, the command). Exit for misuse."""
    usage = PROG.fatal(b"incorrect usage", code=USAGE)
    if any(name not in env for name in NEEDED):
        raise usage
    try:
        options, command = getopt(argv[1:], OPTIONS)
    except BadOption as bad:
        line = bad.explain(argv[0], OPTIONS)
        raise Exit(USAGE, line.removesuffix(b"\n")) from None
    if not command:
        raise usage
    recipient = env[b"LOCAL"]
    for letter, value in options:
        if letter == b"x" and recipient.lower().startswith(value.lower()):
            recipient = recipient[len(value) :]
    letters = {letter for letter, _ in options}
    head = b"" if b"n" in letters else env[b"UFLINE"]
    head += env[b"RPLINE"] if b"P" in letters else b""
    head += env[b"DTLINE"] if b"l" in letters else b""
    meaning = {b"%": b"%", b"g": env[b"SENDER"], b"h": env[b"HOST"], b"u": recipient}
    return head, [expanded(word, meaning) for word in command]


def expanded(word: bytes, meaning: dict[bytes, bytes]) -> bytes:
    """The word, with what its percent signs and letters stand for."""
    plain, *pieces = word.split(b"%")
    result = plain
    after_percent = False
    for piece in pieces:
        if after_percent:
            # The percent sign before this piece was itself one after a percent sign.
            result += meaning[b"%"] + piece
            after_percent = False
        elif piece:
            result += meaning.get(piece[:1], b"") + piece[1:]
        else:
            after_percent = True
    return result


def _cannot_run(error: OSError) -> Exit:
    if is_temporary(error):
        return PROG.fatal(PROBLEM, code=TEMPORARY)
    return PROG.fatal(b"command not found", code=USAGE)
