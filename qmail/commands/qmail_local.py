"""qmail-local: deliver one message to one local address.

Contract     argv as in qmail-local(8); fd 0 the message, a seekable file; fd 1 and 2
             the report. Exit 0 delivered, 100 refused for good, 111 try again.
"""

from __future__ import annotations

import posix
import time

from pytools.base import signals
from pytools.base.environment import environ
from pytools.base.exits import Exit, Next, Strerr, reason
from pytools.base.options import BadOption, getopt
from pytools.process import child
from qmail.local import dotqmail, environment, home, message
from qmail.local.delivery import Delivery
from qmail.local.home import HARD, SOFT, trouble

USAGE = b"qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty"


def main(argv: list[bytes]) -> int:
    """Deliver the message, or with -n say how it would be delivered."""
    posix.umask(0o077)
    signals.ignore(signals.SIGPIPE)
    describing, words = _arguments(argv)
    user, home_dir, local, dash, ext, host, sender, default_delivery = words
    home.enter(home_dir, describing)
    variables = environment.variables(
        user, home_dir, local, ext, host, sender, int(time.time())
    )
    if not describing:
        message.refuse_loop(variables[b"DTLINE"])
    control = home.find_control(dash, ext)
    if control is None and dash:
        raise Exit(HARD, b"There is no mailbox of that name here. (#5.1.1)")
    variables[b"NEWSENDER"] = sender
    if sender not in (b"", b"#@[]"):
        variables[b"NEWSENDER"] = dotqmail.forward_sender(
            sender, local, host, *home.find_owner(dash, ext)
        )
    if control is not None and control.default is not None:
        variables[b"DEFAULT"] = control.default
    environ.update(variables)
    if control is None or not control.text:
        instructions = dotqmail.parse(default_delivery, forward_only=False)
    else:
        instructions = dotqmail.parse(control.text, control.forward_only)
    Delivery(variables, _run_program, describing).run(instructions)
    return 0


def _arguments(argv: list[bytes]) -> tuple[bool, list[bytes]]:
    usage = Strerr(b"qmail-local").usage(USAGE)
    describing = False
    try:
        options, words = getopt(argv[1:], b"nN")
    except BadOption:
        raise usage from None
    for letter, _ in options:
        describing = letter == b"n"
    if len(words) != 8 or not words[1].startswith(b"/"):
        raise usage
    return describing, words


def _run_program(command: bytes) -> int:
    """Run a program line by the shell; its raw wait status."""

    def shell() -> int:
        signals.set_default(signals.SIGPIPE)
        raise Next([b"/bin/sh", b"-c", command], on_error=_no_shell)

    try:
        pid = child.fork(shell)
    except OSError as error:
        raise trouble(b"Unable to fork", error) from None
    try:
        return child.wait_for(pid)
    except OSError:
        # Whoever started us ignores SIGCHLD: the kernel has thrown the status away.
        raise Exit(SOFT, b"How the program ended is not known. (#4.3.0)") from None


def _no_shell(error: OSError) -> Exit:
    return Exit(SOFT, b"Unable to run /bin/sh: %b. (#4.3.0)" % reason(error))
