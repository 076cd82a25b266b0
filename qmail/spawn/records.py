"""What qmail-send and the spawners say to each other, as bytes and back.

Wire         first, once: the spawner's limit of deliveries, one byte.
             command = number messid NUL sender NUL recipient NUL
             report  = number letter text NUL, the letter K, Z or D
Contract     ``receive`` bytes as they come, then ask for whole records until None. A
             record means the same however its bytes were split.
"""

from __future__ import annotations

SUCCESS = b"K"
DEFERRAL = b"Z"
FAILURE = b"D"

SPAWN_LIMIT = 120
"""How many deliveries a spawner keeps going at once."""
FIELD_MAX = 131072
"""The most bytes of one field; the kernel passes no longer argument to a program."""
REPORT_MAX = 10000
"""What qmail-send keeps of a report, its number and its end included."""
MESSID_MAX = 99
"""The most bytes of a message's name below queue/mess."""

OVERLONG = b"ZThe spawner has no memory for this address. (#4.3.0)\n"
NUMBER_TOO_BIG = b"ZInternal error: the delivery's number is over the limit. (#4.3.5)\n"
NUMBER_IN_USE = b"ZInternal error: the delivery's number is in use. (#4.3.5)\n"
MESSID_NOT_NUMERIC = b"DInternal error: the message's name has no number. (#5.3.5)\n"
MESSID_TOO_LONG = b"DInternal error: the message's name is too long. (#5.3.5)\n"
MESSID_EMPTY = b"DInternal error: the message has no name. (#5.3.5)\n"
NO_DOMAIN = b"DSorry, an address needs a host name after an @. (#5.1.3)\n"


class Command:
    """One delivery to be made."""

    __slots__ = ("messid", "number", "overlong", "recipient", "sender")

    def __init__(
        self,
        number: int,
        messid: bytes,
        sender: bytes,
        recipient: bytes,
        overlong: bool = False,
    ) -> None:
        self.number = number
        self.messid = messid
        self.sender = sender
        self.recipient = recipient
        self.overlong = overlong

    @property
    def local(self) -> bytes:
        """The recipient up to its last @."""
        return self.recipient.rpartition(b"@")[0]

    @property
    def domain(self) -> bytes:
        """The recipient after its last @."""
        return self.recipient.rpartition(b"@")[2]


def encode_command(command: Command) -> bytes:
    """The bytes that order a delivery."""
    return b"%c%b\0%b\0%b\0" % (
        command.number,
        command.messid,
        command.sender,
        command.recipient,
    )


class CommandDecoder:
    """Commands out of what qmail-send writes."""

    __slots__ = ("_buffer", "_fields", "_number", "_overlong", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._number = -1
        self._fields: list[bytes] = []
        self._overlong = False

    def receive(self, data: bytes) -> None:
        """Take bytes from qmail-send."""
        self._buffer += data

    def next_command(self) -> Command | None:
        """The next whole command; None until there is one."""
        if self._number < 0:
            if not self._buffer:
                return None
            self._number = self._buffer.pop(0)
        while len(self._fields) < 3:
            end = self._buffer.find(b"\0", self._searched)
            if end < 0:
                # INVARIANT: what is held back has no NUL, and is no longer than a
                # field may be: of a longer one only the fact is kept.
                if len(self._buffer) > FIELD_MAX:
                    self._overlong = True
                    self._buffer.clear()
                self._searched = len(self._buffer)
                return None
            if end > FIELD_MAX:
                self._overlong = True
            self._fields.append(bytes(self._buffer[:end]))
            del self._buffer[: end + 1]
            self._searched = 0
        return self._finished()

    def _finished(self) -> Command:
        if self._overlong:
            command = Command(self._number, b"", b"", b"", overlong=True)
        else:
            messid, sender, recipient = self._fields
            command = Command(self._number, messid, sender, recipient)
        self._number = -1
        self._fields = []
        self._overlong = False
        return command


def refusal(command: Command, in_use: bool) -> bytes | None:
    """The report on a command that cannot be tried at all; None if it can."""
    if command.overlong:
        return OVERLONG
    if command.number >= SPAWN_LIMIT:
        return NUMBER_TOO_BIG
    if in_use:
        return NUMBER_IN_USE
    # SECURITY: digits and slashes only, beginning with a digit: whatever qmail-send
    # says, no file outside of queue/mess is opened.
    messid = command.messid
    if messid.startswith(b"/") or messid.strip(b"0123456789/"):
        return MESSID_NOT_NUMERIC
    if len(messid) > MESSID_MAX:
        return MESSID_TOO_LONG
    if not messid:
        return MESSID_EMPTY
    if b"@" not in command.recipient:
        return NO_DOMAIN
    return None


def encode_report(number: int, report: bytes) -> bytes:
    """The bytes that tell the end of a delivery; the text goes up to its first NUL."""
    return b"%c%b\0" % (number, report.partition(b"\0")[0])


class ReportDecoder:
    """Reports out of what a spawner writes after its first byte, for qmail-send."""

    __slots__ = ("_buffer", "_number", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._number = -1

    def receive(self, data: bytes) -> None:
        """Take bytes from a spawner."""
        self._buffer += data

    def next_report(self) -> tuple[int, bytes] | None:
        """The next (number, text) with its letter, cut at REPORT_MAX; or None."""
        if self._number < 0:
            if not self._buffer:
                return None
            self._number = self._buffer.pop(0)
        end = self._buffer.find(b"\0", self._searched)
        if end < 0:
            # SECURITY: the spawner of remote deliveries is not trusted to be brief.
            if len(self._buffer) > REPORT_MAX:
                del self._buffer[REPORT_MAX:]
            self._searched = len(self._buffer)
            return None
        report = (self._number, bytes(self._buffer[: min(end, REPORT_MAX - 1)]))
        del self._buffer[: end + 1]
        self._searched = 0
        self._number = -1
        return report
