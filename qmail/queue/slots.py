"""How many messages of whom may be on their way at once. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.queue.config import Config


class Slots:
    """Counts the connections of each uid.

    INVARIANT: what the ordinary uids hold never limits a reserved uid, and what one
    reserved uid holds limits nobody else.
    """

    __slots__ = ("_config", "_held", "_ordinary")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._held: dict[int, int] = {}
        self._ordinary = 0

    def take(self, uid: int) -> bool:
        """Take a slot for the uid; False when it must be refused."""
        held = self._held.get(uid, 0)
        config = self._config
        if uid in config.reserved:
            if held >= config.per_reserved_uid:
                return False
        elif held >= config.per_uid or self._ordinary >= config.ordinary_slots:
            return False
        else:
            self._ordinary += 1
        self._held[uid] = held + 1
        return True

    def release(self, uid: int) -> None:
        """Give a slot back."""
        held = self._held[uid] - 1
        if held:
            self._held[uid] = held
        else:
            del self._held[uid]
        if uid not in self._config.reserved:
            self._ordinary -= 1

    @property
    def held(self) -> int:
        return sum(self._held.values())
