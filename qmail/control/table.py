"""Every control file: its kind, default, reader and meaning, as data.

qmail-showctl prints from this table, and the manual's table is checked against it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LINE: Final = "line"
NUMBER: Final = "number"
LIST: Final = "list"
ME: Final = "me"
NONE: Final = "none"


class ControlFile:
    """One file of control/.

    ``default`` is a text, ``ME`` (the content of control/me) or ``NONE``. ``says`` has a
    ``%b`` for the value, or for each line of a list; ``absent`` is what the lack of a
    list means.
    """

    __slots__ = ("absent", "default", "kind", "name", "says", "used_by")

    def __init__(
        self,
        name: str,
        kind: str,
        default: str,
        used_by: str,
        says: str,
        absent: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.used_by = used_by
        self.says = says
        self.absent = absent


def _line(name: str, default: str, used_by: str, says: str) -> ControlFile:
    return ControlFile(name, LINE, default, used_by, says)


def _number(name: str, default: str, used_by: str, says: str) -> ControlFile:
    return ControlFile(name, NUMBER, default, used_by, says)


def _list(
    name: str, used_by: str, says: str, absent: str, default: str = NONE
) -> ControlFile:
    return ControlFile(name, LIST, default, used_by, says, absent)


INJECT: Final = "qmail-inject"
REMOTE: Final = "qmail-remote"
SEND: Final = "qmail-send"
SMTPD: Final = "qmail-smtpd"

TABLE: Final = (
    _list(
        "badmailfrom", SMTPD, "%b is refused in MAIL FROM.", "Any MAIL FROM is taken."
    ),
    _line("bouncefrom", "MAILER-DAEMON", SEND, "Bounces come from the user %b."),
    _line("bouncehost", ME, SEND, "Bounces come from the host %b."),
    _number("concurrencylocal", "10", SEND, "Local concurrency is %b."),
    _number("concurrencyremote", "20", SEND, "Remote concurrency is %b."),
    _number("databytes", "0", SMTPD, "SMTP DATA limit is %b bytes."),
    _line("defaultdomain", ME, INJECT, "Default domain name is %b."),
    _line("defaulthost", ME, INJECT, "Default host name is %b."),
    _line("doublebouncehost", ME, SEND, "Double bounces go to the host %b."),
    _line("doublebounceto", "postmaster", SEND, "Double bounces go to the user %b."),
    _line("envnoathost", ME, SEND, "An address without a domain is at %b."),
    _line("helohost", ME, REMOTE, "The SMTP client calls itself %b."),
    _line("idhost", ME, INJECT, "Message-ID host name is %b."),
    _line("localiphost", ME, SMTPD, "A local IP address becomes %b."),
    _list(
        "locals",
        SEND,
        "Messages for %b are delivered locally.",
        "Messages for me are delivered locally.",
        default=ME,
    ),
    _line("me", "undefined! Uh-oh", "various", "My name is %b."),
    _list(
        "percenthack",
        SEND,
        "The percent hack is allowed for user%%host@%b.",
        "The percent hack is not allowed.",
    ),
    _line("plusdomain", ME, INJECT, "Plus domain name is %b."),
    _list(
        "qmqpservers", "qmail-qmqpc", "QMQP server: %b.", "There are no QMQP servers."
    ),
    _number(
        "queuelifetime", "604800", SEND, "A message stays in the queue %b seconds."
    ),
    _list(
        "rcpthosts",
        SMTPD,
        "SMTP clients may send messages to recipients at %b.",
        "SMTP clients may send messages to any recipient: an open relay!",
    ),
    _list(
        "morercpthosts",
        SMTPD,
        "SMTP clients may send messages to recipients at %b.",
        "There are no more rcpthosts.",
    ),
    _line("smtpgreeting", ME, SMTPD, "SMTP greeting: 220 %b."),
    _list(
        "smtproutes", REMOTE, "SMTP route: %b", "There are no artificial SMTP routes."
    ),
    _number("timeoutconnect", "60", REMOTE, "SMTP client connects in %b seconds."),
    _number("timeoutremote", "1200", REMOTE, "SMTP client waits %b seconds for data."),
    _number("timeoutsmtpd", "1200", SMTPD, "SMTP server waits %b seconds for data."),
    _list(
        "virtualdomains", SEND, "Virtual domain: %b", "There are no virtual domains."
    ),
)

KNOWN: Final = frozenset(file.name for file in TABLE) | {"morercpthosts.cdb"}
"""All names that some program of qmail reads."""
