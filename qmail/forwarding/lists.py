"""Mailing lists: their two sources and the compiled file (pure).

Compiled     ``&address`` and ``./list`` or ``/list`` (a further file), each ended by NUL.
Sources      setmaillist's has one of these a line; newinclude's, sendmail's, has lists
             of addresses with names and comments.
"""

from __future__ import annotations

from qmail.forwarding.addresses import INCLUDE, LOCAL, addresses
from qmail.forwarding.source import Refused, lines, unparsable
from qmail.forwarding.table import LONGEST, Malformed, commands_of
from qmail.mail.rfc822tokens import Unparsable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmail.forwarding.addresses import Completion


def compile_list(text: bytes) -> bytes:
    """The compiled form of setmaillist's source. Raises Refused."""
    return b"".join(entry + b"\0" for entry in _entries(text))


def _entries(text: bytes) -> Iterator[bytes]:
    for line in lines(text):
        entry = line.rstrip(b" \t\n")
        if b"\0" in entry:
            raise Refused(b"NUL in input")
        if not entry or entry.startswith(b"#"):
            continue
        if not entry.startswith((b".", b"/")):
            if len(entry) > LONGEST:
                raise Refused(b"addresses must be under 800 bytes")
            if not entry.startswith(b"&"):
                entry = b"&" + entry
        yield entry


def compile_include(text: bytes, completion: Completion) -> bytes:
    """The compiled form of an :include: file. Raises Refused."""
    out = []
    for line in lines(text):
        if line.startswith(b"#"):
            continue
        try:
            for kind, item in addresses(line, includes=True):
                if kind == INCLUDE:
                    out.append(_file(item))
                elif item:
                    out.append(_recipient(kind, item, completion))
        except Unparsable:
            raise unparsable(line) from None
    return b"".join(entry + b"\0" for entry in out)


def _file(name: bytes) -> bytes:
    what = b":include: filenames"
    if not name:
        raise Refused(b"empty " + what + b" not permitted")
    _check(name, what)
    return name if name.startswith((b".", b"/")) else b"./" + name


def _recipient(kind: bytes, text: bytes, completion: Completion) -> bytes:
    if kind == LOCAL and text.startswith((b"/", b"|")):
        what = b"file" if text.startswith(b"/") else b"program"
        name = text.partition(b"\0")[0]
        raise Refused(what + b" delivery " + name + b" not supported")
    address = completion.full(kind, text)
    _check(address, b"recipient addresses")
    if len(address) > LONGEST:
        raise Refused(b"addresses must be under 800 bytes")
    if address.endswith((b" ", b"\t")):
        raise Refused(b"spaces and tabs not permitted at ends of addresses")
    return b"&" + address


def _check(text: bytes, what: bytes) -> None:
    if b"\n" in text:
        raise Refused(b"newlines not permitted in " + what)
    if b"\0" in text:
        raise Refused(b"NUL not permitted in " + what)


def entries(data: bytes) -> list[bytes]:
    """What a compiled list holds. Raises Malformed."""
    return commands_of(data, b"&./")


def source(data: bytes) -> Iterator[bytes]:
    """The lines that setmaillist would compile to ``data``. Raises Malformed."""
    *whole, rest = data.split(b"\0")
    for entry in whole:
        if b"\n" in entry:
            raise Malformed
        yield b"".join(entries(entry + b"\0")) + b"\n"
    if rest:
        raise Malformed
