"""Forwarding tables: their source, their records, and back (pure).

Source       ``target: command, command;`` with ``#`` comments; blanks and line ends
             mean nothing; a backslash protects any byte.
Records      ``:target`` holds commands, each ended by NUL: ``&address``, ``|program``,
             ``!program`` (with the lines of preline), ``./list`` or ``/list`` (a file of
             qmail.forwarding.lists). ``?target`` holds the owner's address. Keys are in
             lower case.
Targets      ``user@host``, ``@host``, ``user@``.
"""

from __future__ import annotations

from qmail.forwarding.source import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

    Record = tuple[bytes, bytes]

LONGEST: Final = 800
"""No address is longer."""
LONGEST_ENTRY: Final = 899
"""With its & it may be as long as that in compiled data."""

_SPECIAL = frozenset(b"#:,;\\ \n\t\0")
_NEWLINE = 0x0A
_HEADER = 2048  # of a cdb: the pointers to its hash tables


class Malformed(Exception):
    """Compiled data that no program of the package writes."""


def record(kind: bytes, target: bytes, data: bytes) -> Record:
    """The record of a target; ``kind`` is ``:`` or ``?``."""
    return kind + target.lower(), data


def compile_table(text: bytes) -> Iterator[Record]:
    """The records of a source. Raises Refused."""
    target: bytes | None = None  # None: it is being read
    commands: list[bytes] = []
    word = bytearray()
    for kind, data in _words(text):
        if kind == b"":
            word += data
        elif kind == b":":
            if target is not None:
                raise Refused(b"double colons are not permitted", 100)
            target = bytes(word)
            word.clear()
        else:
            if target is None:
                raise Refused(b"commas are not permitted before colons", 100)
            if word.startswith(b"?"):
                yield record(b"?", target, bytes(word[1:]))
            elif word:
                commands.append(_command(bytes(word)))
            word.clear()
            if kind == b";":
                if commands:
                    yield record(b":", target, b"\0".join(commands) + b"\0")
                target = None
                commands = []
    if target is not None or word:
        raise Refused(b"final instruction must end with semicolon", 100)


def _words(text: bytes) -> Iterator[Record]:
    """(b"", a piece of a word) and (the special character, b"") in turn."""
    at = 0
    while at < len(text):
        byte = text[at]
        if byte not in _SPECIAL:
            start = at
            while at < len(text) and text[at] not in _SPECIAL:
                at += 1
            yield b"", text[start:at]
            continue
        at += 1
        if byte == 0:
            raise Refused(b"NUL bytes are not permitted", 100)
        if byte == b"#"[0]:
            at = text.find(b"\n", at) + 1 or len(text)
        elif byte == b"\\"[0]:
            if text[at : at + 1] == b"\0":
                raise Refused(b"NUL bytes are not permitted", 100)
            yield b"", text[at : at + 1]
            at += 1
        elif byte in b":,;":
            yield text[at - 1 : at], b""


def _command(word: bytes) -> bytes:
    """A command as the record has it."""
    if word.startswith((b"|", b"!", b".", b"/")):
        return word
    if len(word) > LONGEST:
        raise Refused(b"addresses over 800 bytes are not permitted", 100)
    return word if word.startswith(b"&") else b"&" + word


def commands_of(data: bytes, starts: bytes = b"&./|!") -> list[bytes]:
    """The commands of a record, or of a list. Raises Malformed."""
    if not data:
        return []
    if not data.endswith(b"\0"):
        raise Malformed
    commands = data[:-1].split(b"\0")
    for command in commands:
        start = command[:1]
        if not start or start not in starts:
            raise Malformed
        if start == b"&" and len(command) > LONGEST_ENTRY:
            raise Malformed
    return commands


def records(database: bytes) -> Iterator[Record]:
    """The records of a cdb in the order of the file. Raises Malformed."""
    if len(database) < _HEADER:
        raise Malformed
    end = int.from_bytes(database[:4], "little")
    at = _HEADER
    while at < end:
        key_end = at + 8 + int.from_bytes(database[at : at + 4], "little")
        data_end = key_end + int.from_bytes(database[at + 4 : at + 8], "little")
        if at + 8 > end or data_end > min(end, len(database)):
            raise Malformed
        yield database[at + 8 : key_end], database[key_end:data_end]
        at = data_end


def instruction(key: bytes, data: bytes) -> bytes:
    """The record as a source has it. Raises Malformed."""
    kind, target = key[:1], _protected(key[1:])
    if kind == b"?":
        return target + b": ?" + _protected(data) + b";\n"
    if kind != b":":
        raise Malformed
    commands = [b", " + _protected(command) + b"\n" for command in commands_of(data)]
    return target + b":\n" + b"".join(commands) + b";\n"


def _protected(word: bytes) -> bytes:
    """The word with a backslash before each byte that may need one."""
    out = bytearray()
    for byte in word:
        if byte <= 32 or byte >= 128 or byte in b",:;\\#":
            out += b"\\"
        out.append(byte)
    return bytes(out)
