"""qmail-remote's reports, each a letter, text and NUL.

Contract     a recipient report (r, h, s) for each recipient asked about, in order; then
             one message report (K, Z, D). qmail-rspawn reads them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from qmail.smtp.client import Outcome

# COMPAT: programs that read bounces look for the beginnings of some of these, as the
# original words them, so those stay.
USAGE: Final = b"DI was started with the wrong arguments. (#5.3.5)\n"
NO_HOME: Final = b"ZThe qmail home directory is out of reach. (#4.3.0)\n"
NO_CONTROLS: Final = b"ZControl files are out of reach. (#4.3.0)\n"
NO_RESOURCES: Final = b"ZThe system lacks resources at the moment. (#4.3.0)\n"
NO_MESSAGE: Final = b"ZThe message could not be read. (#4.3.0)\n"
NO_ANSWER: Final = b"ZDNS has no answer about that host at the moment. (#4.1.2)\n"
NO_EXCHANGER: Final = b"DThat host has neither mail exchanger nor address. (#5.4.4)\n"
NULL_EXCHANGER: Final = b"DThat host says in DNS that it takes no mail. (#5.1.10)\n"
NO_CONNECTION: Final = (
    b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
)
OWN_EXCHANGER: Final = (
    b"DSorry. Although I'm listed as a best-preference MX or A for that host,\n"
    b"control/locals does not say that its mail is to be delivered here. (#5.4.6)\n"
)
PARTIAL_LINE: Final = (
    b"DSMTP cannot carry a message whose last line has no end. (#5.6.2)\n"
)
BAD_SENDER: Final = b"DSMTP has no way to write the sender's address. (#5.1.7)\n"

_TO_PRINTABLE = bytes(c if 33 <= c <= 126 else ord("?") for c in range(256))


def no_host(name: bytes) -> bytes:
    """There is no host of that name."""
    safe = name.translate(_TO_PRINTABLE)
    return b"DSorry, I couldn't find any host %b. (#5.1.2)\n" % safe


def end(text: bytes) -> bytes:
    """A report is over at a NUL, so its text has none."""
    return text.replace(b"\0", b"?") + b"\0"


def of(outcome: Outcome, partner: bytes) -> bytes:
    """The report of an outcome; ``partner`` is the server's address as text."""
    line = outcome.verdict + outcome.before
    if outcome.after:
        line += partner + outcome.after
    if outcome.text:
        line += b"Remote host said: " + outcome.text
    return end(line)
