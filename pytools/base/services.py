"""TCP port numbers by service name, also where /etc/services is missing."""

from __future__ import annotations

from pytools.base.fds import read_file

KNOWN = {
    b"auth": 113,
    b"domain": 53,
    b"imap": 143,
    b"imaps": 993,
    b"pop3": 110,
    b"pop3s": 995,
    b"qmqp": 628,
    b"qmtp": 209,
    b"smtp": 25,
    b"smtps": 465,
    b"submission": 587,
    b"submissions": 465,
}


def port_by_name(name: bytes, table: bytes = b"/etc/services") -> int | None:
    """The TCP port of a service, from /etc/services or else our own; or None."""
    try:
        text = read_file(table)
    except OSError:
        text = b""
    if name in text:
        for line in text.split(b"\n"):
            words = line.partition(b"#")[0].split()
            if len(words) < 2 or name not in (words[0], *words[2:]):
                continue
            number, _, protocol = words[1].partition(b"/")
            if protocol == b"tcp" and number.isdigit():
                return int(number)
    return KNOWN.get(name)
