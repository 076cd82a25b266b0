"""The exit codes of qmail-queue, and what its callers make of them.

11 to 40 are permanent, all others but 0 are temporary. The numbers and the status in
parentheses are the interface, also of any program in $QMAILQUEUE; see qmail-queue(8).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

QUEUED: Final = 0
ADDRESS_TOO_LONG: Final = 11
REFUSED_PERMANENTLY: Final = 31
NO_MEMORY: Final = 51
TIMEOUT: Final = 52
WRITE_ERROR: Final = 53
READ_ERROR: Final = 54
NO_CONFIGURATION: Final = 55
NO_NETWORK: Final = 56
HOME_TROUBLE: Final = 61
QUEUE_TROUBLE: Final = 62
PID_TROUBLE: Final = 63
MESS_TROUBLE: Final = 64
INTD_TROUBLE: Final = 65
TODO_TROUBLE: Final = 66
REFUSED_TEMPORARILY: Final = 71
CONNECT_TIMEOUT: Final = 72
CONNECT_REFUSED: Final = 73
COMMUNICATION_FAILED: Final = 74
INTERNAL_BUG: Final = 81
CUSTOM_TEXT: Final = 82
BAD_ENVELOPE: Final = 91
ADDRESS_TOO_LONG_OLD: Final = 115
UNABLE_TO_RUN: Final = 120

PERMANENT_FIRST: Final = 11
PERMANENT_LAST: Final = 40

CUSTOM_TEXT_MAX: Final = 255

# Not an exit code: a signal ended the program.
CRASHED_CODE: Final = 256
_CRASHED: Final = b"Zqueue program crashed (#4.3.0)"

_CREATE_TROUBLE: Final = b"Zunable to create files in the queue (#4.3.0)"
_BUG: Final = b"Zbug in the queue program or its caller (#4.3.0)"

_VERDICTS: Final = {
    QUEUED: b"",
    ADDRESS_TOO_LONG: b"Denvelope address is too long for the queue (#5.1.3)",
    ADDRESS_TOO_LONG_OLD: b"Denvelope address is too long for the queue (#5.1.3)",
    REFUSED_PERMANENTLY: b"Dmail server refuses this message for good (#5.3.0)",
    NO_MEMORY: b"Zqueue program is out of memory (#4.3.0)",
    TIMEOUT: b"Zqueue program ran out of time (#4.3.0)",
    WRITE_ERROR: b"Zunable to write to the queue, disk may be full (#4.3.0)",
    READ_ERROR: b"Zqueue program could not read the whole message (#4.3.0)",
    NO_CONFIGURATION: b"Zqueue program cannot read its configuration (#4.3.0)",
    NO_NETWORK: b"Zqueue program has trouble with the network (#4.3.0)",
    HOME_TROUBLE: b"Zqueue program has trouble with its home directory (#4.3.0)",
    QUEUE_TROUBLE: _CREATE_TROUBLE,
    PID_TROUBLE: _CREATE_TROUBLE,
    MESS_TROUBLE: _CREATE_TROUBLE,
    INTD_TROUBLE: _CREATE_TROUBLE,
    TODO_TROUBLE: _CREATE_TROUBLE,
    REFUSED_TEMPORARILY: b"Zmail server refuses this message for now (#4.3.0)",
    CONNECT_TIMEOUT: b"Zmail server did not answer the connection (#4.4.1)",
    CONNECT_REFUSED: b"Zmail server does not take connections (#4.4.1)",
    COMMUNICATION_FAILED: b"Zlost the connection to the mail server (#4.4.2)",
    INTERNAL_BUG: _BUG,
    BAD_ENVELOPE: _BUG,
    UNABLE_TO_RUN: b"Zunable to run the queue program (#4.3.0)",
}


class Refused(Exception):
    """The message is not queued, for the reason that this exit code stands for."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def is_permanent(code: int) -> bool:
    return PERMANENT_FIRST <= code <= PERMANENT_LAST or code == ADDRESS_TOO_LONG_OLD


def custom_text(text: bytes) -> bytes:
    """Clean what a program wrote to descriptor 6 for code 82; b"" if it is none.

    SECURITY: it becomes one line of an SMTP reply, so it must not hold a line's end.
    """
    text = text[:CUSTOM_TEXT_MAX].partition(b"\0")[0].rstrip(b"\r\n")
    if len(text) < 3 or text[:1] not in (b"D", b"Z"):
        return b""
    return bytes([byte if byte >= 32 and byte != 127 else 63 for byte in text])


def verdict(code: int, text: bytes = b"") -> bytes:
    """Give the caller's answer: b"" accepted, else D or Z and a text with a status."""
    if code == CUSTOM_TEXT and (custom := custom_text(text)):
        return custom
    if code == CRASHED_CODE:
        return _CRASHED
    known = _VERDICTS.get(code)
    if known is not None:
        return known
    if is_permanent(code):
        return b"Dqueue program reports a permanent problem (#5.3.0)"
    return b"Zqueue program reports a temporary problem (#4.3.0)"
