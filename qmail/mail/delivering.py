"""What all deliveries by a file of instructions agree on (pure)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

FOR_GOOD: Final = frozenset((100, 64, 65, 70, 76, 77, 78, 112))
"""Exit codes of programs that will never take the message; 64 to 78 are sendmail's."""

LARGEST: Final = 16 << 20
"""Bytes of such a file. It is read whole; all deliveries share the memory."""
