"""A message as it is handed in: its header fields one by one, then the body (pure).

Lenient      a ``From `` line of an mbox becomes a field; the first line that is no
             field ends the header, with or without a blank line.
"""

from __future__ import annotations

_MBOX_LINE = b"MBOX-Line: "
_FOLDED = frozenset(b" \t")


def field_name(field: bytes) -> bytes:
    """The lower-case name before the colon."""
    return field.partition(b":")[0].rstrip(b" \t").lower()


def is_field(line: bytes) -> bool:
    """True if ``line`` begins with a name of printable characters and a colon."""
    name, colon, _ = line.partition(b":")
    name = name.rstrip(b" \t")
    return bool(colon and name) and all(32 < byte < 127 for byte in name)


class HeaderReader:
    """Feed it blocks; it gives complete fields, and then has the ``body``.

    ``body`` is None while the header goes on. It then holds the bytes that came with
    the header's end, from the blank line on (put in where there was none); whatever
    comes later is body and is not fed any more.
    """

    __slots__ = ("_field", "_partial", "body")

    def __init__(self) -> None:
        self.body: bytes | None = None
        self._field: list[bytes] = []
        self._partial: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The fields that are complete now, each with its LF."""
        if b"\n" not in data:
            self._partial.append(data)
            return []
        if self._partial:
            data = b"".join(self._partial) + data
            self._partial = []
        fields: list[bytes] = []
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            line = data[at : end + 1]
            if self._field and line[0] in _FOLDED:
                self._field.append(line)
            else:
                fields += self._take_field()
                if line.startswith(b"From "):
                    self._field = [_MBOX_LINE, line]
                elif is_field(line):
                    self._field = [line]
                else:
                    blank = b"" if line == b"\n" else b"\n"
                    self.body = blank + data[at:]
                    return fields
            at = end + 1
        if at < len(data):
            self._partial.append(data[at:])
        return fields

    def finish(self) -> list[bytes]:
        """End of file while the header goes on: the fields that are left."""
        fields = self.feed(b"\n") if self._partial else []
        if self.body is None:
            fields += self._take_field()
            self.body = b""
        return fields

    def _take_field(self) -> list[bytes]:
        if not self._field:
            return []
        field = b"".join(self._field)
        self._field = []
        return [field]
