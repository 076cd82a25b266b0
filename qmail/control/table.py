"""Every control file: its kind, default, reader, purpose and meaning, as data.

qmail-showctl prints from this table, and qmail.operator.controlpage writes the one of
qmail-control(5) from it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

LINE: Final = "line"
NUMBER: Final = "number"
LIST: Final = "list"
SCRIPT: Final = "script"
ME: Final = "me"
NONE: Final = "none"


class ControlFile:
    """One file of control/.

    ``default`` is a text, ``ME`` (the content of control/me) or ``NONE``. ``says`` has a
    ``%b`` for the value, or for each line of a list; ``absent`` is what the lack of a
    list means. ``purpose`` is for a column of 25 characters. ``is_ours`` marks a file
    that neither the originals nor the guide know.
    """

    __slots__ = (
        *("absent", "default", "is_ours", "kind", "name", "purpose", "says"),
        "used_by",
    )

    def __init__(
        self,
        name: str,
        kind: str,
        default: str,
        used_by: str,
        purpose: str,
        says: str = "",
        absent: str = "",
        is_ours: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.used_by = used_by
        self.purpose = purpose
        self.says = says
        self.absent = absent
        self.is_ours = is_ours


def _line(
    name: str, default: str, used_by: str, purpose: str, says: str
) -> ControlFile:
    return ControlFile(name, LINE, default, used_by, purpose, says)


def _number(
    name: str, default: str, used_by: str, purpose: str, says: str
) -> ControlFile:
    return ControlFile(name, NUMBER, default, used_by, purpose, says)


def _list(
    name: str, used_by: str, purpose: str, says: str, absent: str, default: str = NONE
) -> ControlFile:
    return ControlFile(name, LIST, default, used_by, purpose, says, absent)


INJECT: Final = "qmail-inject"
REMOTE: Final = "qmail-remote"
SEND: Final = "qmail-send"
SMTPD: Final = "qmail-smtpd"

TABLE: Final = (
    _list(
        "badmailfrom",
        SMTPD,
        "senders to refuse",
        "%b is refused in MAIL FROM.",
        "Any MAIL FROM is taken.",
    ),
    _line(
        "bouncefrom",
        "MAILER-DAEMON",
        SEND,
        "user that bounces are of",
        "Bounces come from the user %b.",
    ),
    _line(
        "bouncehost",
        ME,
        SEND,
        "host that bounces are of",
        "Bounces come from the host %b.",
    ),
    _number(
        "concurrencylocal",
        "10",
        SEND,
        "local deliveries at once",
        "Local concurrency is %b.",
    ),
    _number(
        "concurrencyremote",
        "20",
        SEND,
        "remote deliveries at once",
        "Remote concurrency is %b.",
    ),
    _number(
        "databytes",
        "0",
        SMTPD,
        "largest message; 0: any",
        "SMTP DATA limit is %b bytes.",
    ),
    _line(
        "defaultdomain",
        ME,
        INJECT,
        "ends names without a dot",
        "Default domain name is %b.",
    ),
    _line(
        "defaulthost",
        ME,
        INJECT,
        "ends addresses without @",
        "Default host name is %b.",
    ),
    _line(
        "doublebouncehost",
        ME,
        SEND,
        "host for double bounces",
        "Double bounces go to the host %b.",
    ),
    _line(
        "doublebounceto",
        "postmaster",
        SEND,
        "user for double bounces",
        "Double bounces go to the user %b.",
    ),
    _line(
        "envnoathost",
        ME,
        SEND,
        "for recipients without @",
        "An address without a domain is at %b.",
    ),
    _line(
        "helohost",
        ME,
        REMOTE,
        "name to say in HELO",
        "The SMTP client calls itself %b.",
    ),
    _line("idhost", ME, INJECT, "host in a Message-ID", "Message-ID host name is %b."),
    _line(
        "localiphost",
        ME,
        SMTPD,
        "name for our [address]",
        "A local IP address becomes %b.",
    ),
    _list(
        "locals",
        SEND,
        "domains delivered here",
        "Messages for %b are delivered locally.",
        "Messages for me are delivered locally.",
        default=ME,
    ),
    _line("me", "undefined! Uh-oh", "various", "name of this host", "My name is %b."),
    _list(
        "percenthack",
        SEND,
        "domains with user%fqdn@",
        "The percent hack is allowed for user%%host@%b.",
        "The percent hack is not allowed.",
    ),
    _line(
        "plusdomain", ME, INJECT, "ends names that end in +", "Plus domain name is %b."
    ),
    _list(
        "qmqpservers",
        "qmail-qmqpc",
        "QMQP servers",
        "QMQP server: %b.",
        "There are no QMQP servers.",
    ),
    _number(
        "queuelifetime",
        "604800",
        SEND,
        "seconds in the queue",
        "A message stays in the queue %b seconds.",
    ),
    _list(
        "rcpthosts",
        SMTPD,
        "domains to take mail for",
        "SMTP clients may send messages to recipients at %b.",
        "SMTP clients may send messages to any recipient: an open relay!",
    ),
    _list(
        "morercpthosts",
        SMTPD,
        "more of rcpthosts",
        "SMTP clients may send messages to recipients at %b.",
        "There are no more rcpthosts.",
    ),
    _line("smtpgreeting", ME, SMTPD, "SMTP greeting", "SMTP greeting: 220 %b."),
    _list(
        "smtproutes",
        REMOTE,
        "relays for domains",
        "SMTP route: %b",
        "There are no artificial SMTP routes.",
    ),
    _number(
        "timeoutconnect",
        "60",
        REMOTE,
        "seconds to connect",
        "SMTP client connects in %b seconds.",
    ),
    _number(
        "timeoutremote",
        "1200",
        REMOTE,
        "seconds to wait for data",
        "SMTP client waits %b seconds for data.",
    ),
    _number(
        "timeoutsmtpd",
        "1200",
        SMTPD,
        "seconds to wait for data",
        "SMTP server waits %b seconds for data.",
    ),
    _list(
        "virtualdomains",
        SEND,
        "virtual domains and users",
        "Virtual domain: %b",
        "There are no virtual domains.",
    ),
)
"""What qmail-showctl knows, in the order in which it tells."""

OF_SCRIPTS: Final = (
    ControlFile("concurrencyincoming", SCRIPT, NONE, "run", "SMTP connections at once"),
    ControlFile("defaultdelivery", SCRIPT, NONE, "rc", "where there is no .qmail"),
)
"""Files that scripts of the guide read, and no program.

COMPAT: as in the original qmail-showctl has no idea what they do.
"""

KNOWN: Final = frozenset(file.name for file in TABLE) | {"morercpthosts.cdb"}
"""All names that some program of qmail reads."""
