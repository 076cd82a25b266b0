"""Which programs there are: from a command's name to the module of its main.

A program named ``a-b`` is the module ``a_b`` of ``pytools.commands`` or
``qmail.commands``; a name that is a Python keyword takes a trailing underscore there.
"""

from __future__ import annotations

PYTOOLS = frozenset(
    b"""
    envdir envuidgid multilog readproctitle setlock setuidgid softlimit supervise svc
    svok svscan svscanboot svstat tai64n tai64nlocal tcprules tcprulescheck tcpserver
    """.split()
)
"""daemontools and ucspi-tcp: installed in /command and /usr/local/bin."""

QMAIL = frozenset(
    b"""
    forward maildirmake preline qmail-clean qmail-getpw qmail-inject qmail-local
    qmail-lspawn qmail-newmrh qmail-newu qmail-qread qmail-qstat qmail-queue
    qmail-queued qmail-remote qmail-rspawn qmail-send qmail-showctl qmail-smtpd
    qmail-start qmail-tcpok qmail-tcpto sendmail splogger
    """.split()
)
"""The programs of qmail, installed in the bin directory of a qmail home."""

OPERATOR = frozenset({b"pyqmail"})
"""The operator's command, installed in /usr/local/bin."""

ALIASES = {b"mailq": b"sendmail", b"newaliases": b"sendmail"}
"""Names under which a program is installed a second time; its main looks at argv[0]."""

LONG_LIVED = frozenset(
    b"""
    multilog qmail-clean qmail-lspawn qmail-queued qmail-rspawn qmail-send readproctitle
    splogger supervise svscan tcpserver
    """.split()
)
"""Programs that pay for a title in ``ps`` at their start, because they stay."""


def module_of(program: bytes) -> str | None:
    """The name of the module whose ``main`` is the program, or None if it is none."""
    name = ALIASES.get(program, program)
    if name in PYTOOLS:
        package = "pytools"
    elif name in QMAIL or name in OPERATOR:
        package = "qmail"
    else:
        return None
    return f"{package}.commands.{name.decode().replace('-', '_')}"
