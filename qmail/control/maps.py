"""Maps made of control file lines, looked up without regard to case."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class ConstMap:
    """Keys that are whole lines, or what stands before the first colon of a line.

    With ``colon`` a line without a colon is ignored and the value is what follows the
    first colon; without, the value is empty. Of two equal keys the last wins.
    """

    __slots__ = ("_values",)

    def __init__(self, lines: Iterable[bytes], *, colon: bool = False) -> None:
        self._values: dict[bytes, bytes] = {}
        for line in lines:
            key, found, value = line.partition(b":") if colon else (line, b":", b"")
            if found:
                self._values[key.lower()] = value

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        return self._values.get(key.lower())

    def __contains__(self, key: bytes) -> bool:
        return key.lower() in self._values

    def __len__(self) -> int:
        return len(self._values)
