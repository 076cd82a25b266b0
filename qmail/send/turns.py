"""The passes of a channel, in turns: a large message does not hold the others up.

Turn         so many deliveries. One turn is for messages that come up now, of which
             most end within it; the next for the first of those that did not. These
             wait parked: only the pass that goes on has its file open.
COMPAT       the original ends a pass before it begins the next, so that mail waits
             behind a message with many recipients until the last of them is started.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qmail.send.jobs import Pass

TURN = 20
"""Deliveries started before others may come first."""


class Turns:
    """Which pass goes on; ``current`` is the one that does."""

    __slots__ = ("_is_fresh", "_started", "_waiting", "current")

    def __init__(self) -> None:
        self.current: Pass | None = None
        self._waiting: list[Pass] = []
        self._started = 0
        self._is_fresh = True
        """The turn is for messages that come up now."""

    def choose(self, is_due: bool) -> Pass | None:
        """The pass to go on with; None to begin one, if a message ``is_due``."""
        if self._started >= TURN and (is_due or self._waiting):
            self._started = 0
            self._is_fresh = not self._is_fresh
            if self.current is not None:
                self.current.park()
                self._waiting.append(self.current)
                self.current = None
        if self.current is None and self._waiting and not (self._is_fresh and is_due):
            self._is_fresh = False
            self.current = self._waiting.pop(0)
        return self.current

    @property
    def are_over(self) -> bool:
        """True when no pass goes on or waits."""
        return self.current is None and not self._waiting

    def began(self, begun: Pass) -> None:
        """A pass has been begun because there was none to go on with."""
        self.current = begun
        self._is_fresh = True

    def started(self) -> None:
        """A delivery of the current pass has been started."""
        self._started += 1

    def paused(self) -> None:
        """The current pass has read much and found nothing: its turn is over."""
        self._started = TURN

    def ended(self) -> None:
        """The current pass has come to its end."""
        self.current = None

    def drain(self) -> list[Pass]:
        """All passes that have not come to their end; none is left."""
        left = (
            [*self._waiting] if self.current is None else [self.current, *self._waiting]
        )
        self.current = None
        self._waiting.clear()
        return left
