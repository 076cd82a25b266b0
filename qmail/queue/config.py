"""What qmail-queued goes by: who is who, how many at a time, for how long."""

from __future__ import annotations

from qmail.queue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from qmail.control.ids import Ids

_RESERVED_UIDS: Final = 5
_PER_RESERVED_UID: Final = 200
_ORDINARY_SLOTS: Final = 100
WRITERS_MAX: Final = _RESERVED_UIDS * _PER_RESERVED_UID + _ORDINARY_SLOTS

# What a writer may write, and how many files it may create, between two looks at the
# free space.
STEP_BYTES: Final = 8 << 10
STEP_FILES: Final = 1
FREE_BYTES: Final = 32 << 20
FREE_INODES: Final = 4096
FREE_PART: Final = 4
"""Of a small file system only one part in so many is kept free, or it never had mail."""

# INVARIANT: when all writers have looked at the same moment and then each goes as far
# as it may, half of the reserve is still there for what is accepted. It does not hold
# where the reserve is a part of a small file system: so many callers do not fit there.
assert WRITERS_MAX * STEP_BYTES <= FREE_BYTES // 2
assert WRITERS_MAX * STEP_FILES <= FREE_INODES // 2


class Config:
    """Every limit of the server; a test sets its own, qmail-queued takes these."""

    __slots__ = (
        *("home", "ids", "reserved"),
        *("ordinary_slots", "per_reserved_uid", "per_uid"),
        *("overdue_seconds", "reserved_seconds", "seconds"),
        *("idle_seconds", "messages_per_worker", "spare_workers"),
        *("free_bytes", "free_inodes", "free_part"),
    )

    def __init__(self, home: bytes, ids: Ids) -> None:
        self.home = home
        self.ids = ids
        # Each of these has slots of its own, which no other uid can take.
        self.reserved = frozenset(
            (ids.qmaild, ids.qmails, ids.alias, ids.qmailq, ids.root)
        )
        self.per_reserved_uid = _PER_RESERVED_UID
        # All other uids share these, so that many accounts together can't take the
        # machine's memory either.
        self.ordinary_slots = _ORDINARY_SLOTS
        self.per_uid = 20
        self.reserved_seconds = layout.WRITER_SECONDS
        self.seconds = 20 * 60
        # So long after its time was over, a worker that is still busy is killed.
        self.overdue_seconds = 120
        self.spare_workers = 2
        self.idle_seconds = 30
        self.messages_per_worker = 10000
        # Room for what is accepted already: qmail-send writes info, local and remote,
        # and bounces, and none of those may fail for a message that comes now.
        self.free_bytes = FREE_BYTES
        self.free_inodes = FREE_INODES
        self.free_part = FREE_PART

    def seconds_for(self, uid: int) -> int:
        """How long a caller may take, from its connection to the commit."""
        return self.reserved_seconds if uid in self.reserved else self.seconds
