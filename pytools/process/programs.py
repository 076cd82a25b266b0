"""Which programs there are: from a command's name to the module of its main.

A program named ``a-b`` is the module ``a_b`` of ``pytools.commands``,
``qmail.commands`` or ``qmail.retired``; ``a@`` is ``a_at``.
"""

from __future__ import annotations

DAEMONTOOLS = frozenset(
    b"""
    envdir envuidgid fghack matchtest multilog pgrphack readproctitle setlock setuidgid
    softlimit supervise svc svok svscan svscanboot svstat tai64n tai64nlocal
    """.split()
)
"""Installed in /command, with links in /usr/local/bin."""

UCSPI = frozenset(
    b"""
    addcr argv0 date@ delcr finger@ fixcrio http@ mconnect mconnect-io rblsmtpd recordio
    tcpcat tcpclient tcprules tcprulescheck tcpserver who@
    """.split()
)
"""ucspi-tcp: installed in /usr/local/bin."""

PYTOOLS = DAEMONTOOLS | UCSPI

RETIRED = frozenset(b"elq maildirwatch pinq qail qbiff qmail-upq qsmhook".split())
"""Programs of qmail that nobody runs any more, each with a module in qmail.retired."""

QMAIL = RETIRED | frozenset(
    b"""
    bouncesaying checkpassword condredirect datemail dot-forward except fastforward
    forward maildir2mbox maildirmake mailsubj newaliases newinclude predate preline
    printforward printmaillist qmail-clean qmail-getpw qmail-inject qmail-local
    qmail-lspawn qmail-newmrh qmail-newu qmail-pop3d qmail-popup qmail-pw2u qmail-qmqpc
    qmail-qmqpd qmail-qmtpd qmail-qread qmail-qstat qmail-queue qmail-queued
    qmail-remote qmail-rspawn qmail-send qmail-showctl qmail-smtpd qmail-start
    qmail-tcpok qmail-tcpto qreceipt sendmail setforward setmaillist splogger tcp-env
    """.split()
)
"""The programs of qmail, installed in the bin directory of a qmail home."""

INETD = frozenset({b"tcp-env"})
"""Comes with qmail and is installed with it, but is made of what tcpserver is made of."""

OPERATOR = frozenset({b"pyqmail"})
"""The operator's command, installed in /usr/local/bin."""

ALIASES = {b"mailq": b"sendmail"}
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
    if name in PYTOOLS or name in INETD:
        package = "pytools.commands"
    elif name in RETIRED:
        package = "qmail.retired"
    elif name in QMAIL or name in OPERATOR:
        package = "qmail.commands"
    else:
        return None
    module = name.decode().replace("-", "_").replace("@", "_at")
    return f"{package}.{module}"
