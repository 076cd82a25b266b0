"""What qmail-queued goes by: who is who, how many at a time, for how long."""

from __future__ import annotations

from qmail.queue import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.control.ids import Ids


class Config:
    """Every limit of the server; a test sets its own, qmail-queued takes these."""

    __slots__ = (
        *("home", "ids", "reserved"),
        *("ordinary_slots", "per_reserved_uid", "per_uid"),
        *("overdue_seconds", "reserved_seconds", "seconds"),
        *("idle_seconds", "messages_per_worker", "spare_workers"),
        *("free_bytes", "free_inodes"),
    )

    def __init__(self, home: bytes, ids: Ids) -> None:
        self.home = home
        self.ids = ids
        # Each of these has slots of its own, which no other uid can take.
        self.reserved = frozenset(
            (ids.qmaild, ids.qmails, ids.alias, ids.qmailq, ids.root)
        )
        self.per_reserved_uid = 200
        # All other uids share these, so that many accounts together can't take the
        # machine's memory either.
        self.ordinary_slots = 100
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
        self.free_bytes = 8 << 20
        self.free_inodes = 256

    def seconds_for(self, uid: int) -> int:
        """How long a caller may take, from its connection to the commit."""
        return self.reserved_seconds if uid in self.reserved else self.seconds
