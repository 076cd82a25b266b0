"""/etc/aliases, compiled to the records of a forwarding table (pure).

Format       a line names an alias, then who gets its mail; it goes on in lines that
             begin with a blank, across empty ones. ``#`` in front makes it a comment.
             The alias is the first address, whether a colon follows or not.
Records      those of qmail.forwarding.table: ``alias`` becomes the target ``alias@``.
"""

from __future__ import annotations

from qmail.forwarding.addresses import INCLUDE, LOCAL, addresses
from qmail.forwarding.source import Refused, lines, unparsable
from qmail.forwarding.table import LONGEST, record
from qmail.mail.rfc822tokens import Unparsable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmail.forwarding.addresses import Completion
    from qmail.forwarding.table import Record

_OWNER = b"owner-"


def compile_aliases(text: bytes, completion: Completion) -> Iterator[Record]:
    """The records of the whole file. Raises Refused."""
    for line in entries(text):
        yield from _records(line, completion)


def entries(text: bytes) -> Iterator[bytes]:
    """Every alias with all its lines, comments left out.

    COMPAT: newaliases throws away a last line that lacks its LF, and with it an alias
    or the last recipients of one, and says nothing. Here it counts.
    """
    entry = b""
    for line in lines(text):
        if line == b"\n":
            continue
        if line.startswith((b" ", b"\t")):
            entry += line
            continue
        if entry and not entry.startswith(b"#"):
            yield entry
        entry = line
    if entry and not entry.startswith(b"#"):
        yield entry


def _records(line: bytes, completion: Completion) -> Iterator[Record]:
    target = full = b""
    commands: list[bytes] = []
    try:
        # From the last to the first, which is the alias: each address is a recipient
        # as soon as another one stands before it.
        for kind, text in addresses(line, includes=True):
            if kind == INCLUDE:
                commands.append(_list_file(text))
            elif kind == LOCAL and text.startswith(b"|"):
                if b"\0" in text:
                    raise Refused(b"NUL not permitted in program names")
                commands.append(b"!" + text[1:])
            else:
                if target:
                    commands.append(b"&" + full)
                target, full = _address(kind, text, completion)
    except Unparsable:
        raise unparsable(line) from None
    if not target and not commands:
        return
    if not target or not commands:
        raise unparsable(line)
    if target.startswith(_OWNER):
        yield record(b"?", target.removeprefix(_OWNER), full)
    yield record(b":", target, b"".join(command + b"\0" for command in commands))


def _list_file(name: bytes) -> bytes:
    """The compiled list of an included file."""
    if not name:
        raise Refused(b"empty :include: filenames not permitted")
    if b"\0" in name:
        raise Refused(b"NUL not permitted in :include: filenames")
    return (name if name.startswith((b".", b"/")) else b"./" + name) + b".bin"


def _address(kind: bytes, text: bytes, completion: Completion) -> tuple[bytes, bytes]:
    """(as a target, as a recipient)."""
    if not text:
        raise Refused(b"empty recipient addresses not permitted")
    if kind == LOCAL and text.startswith(b"/"):
        name = text.partition(b"\0")[0]
        raise Refused(b"file delivery " + name + b" not supported")
    full = completion.full(kind, text)
    if len(full) > LONGEST:
        raise Refused(b"addresses over 800 bytes are not permitted", code=100)
    if b"\0" in full:
        raise Refused(b"NUL not permitted in recipient addresses")
    return (text + b"@" if kind == LOCAL else text), full
