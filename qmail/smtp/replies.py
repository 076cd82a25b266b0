"""What qmail-smtpd answers. Codes are interface; the words are for people."""

from __future__ import annotations

OK = b"250 ok\r\n"
FLUSHED = b"250 flushed\r\n"
GO_AHEAD = b"354 go ahead\r\n"
HELP = b"214 this is pyqmail; its manual page is qmail-smtpd(8)\r\n"
CANNOT_VERIFY = b"252 not telling; send the mail and see\r\n"

TIMEOUT = b"451 timeout (#4.4.2)\r\n"
OUT_OF_MEMORY = b"421 out of memory (#4.3.0)\r\n"
NO_CONTROLS = b"421 unable to read controls (#4.3.0)\r\n"
NO_ADDRESSES = b"421 cannot find out the addresses of this machine (#4.3.0)\r\n"
NO_SMTP = b"421 this is not SMTP (#4.7.0)\r\n"
BARE_LINE_FEED = (
    b"550 line feed without CR, see https://cr.yp.to/docs/smtplf.html (#5.5.2)\r\n"
)

LINE_TOO_LONG = b"500 command line is too long (#5.5.2)\r\n"
MALFORMED_LINE = b"500 NUL or CR in the command (#5.5.2)\r\n"
UNKNOWN_COMMAND = b"502 no such command here (#5.5.1)\r\n"
WANT_MAIL = b"503 MAIL first (#5.5.1)\r\n"
WANT_RCPT = b"503 RCPT first (#5.5.1)\r\n"
SYNTAX = b"555 syntax error (#5.5.4)\r\n"
BAD_PARAMETER = b"555 no such parameter here (#5.5.4)\r\n"
BAD_SENDER = b"553 mail from that sender address is not wanted here (#5.7.1)\r\n"
NO_RELAY = b"553 no mail for that domain here, it is not in rcpthosts (#5.7.1)\r\n"

LOOPING = b"554 too many hops, this message goes in circles (#5.4.6)\r\n"
TOO_BIG = b"552 message is larger than databytes allows (#5.3.4)\r\n"


class ProtocolError(Exception):
    """The peer did what ends a session: say ``reply`` and hang up."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply
