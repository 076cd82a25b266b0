"""Who gets a message: a forwarding table followed from the recipient on (pure).

Wildcards    the recipient itself is looked up as ``user@host``, ``@host``, ``user@``;
             what the commands name only as it is.
Owner        of the recipient's target becomes the sender, so that bounces go there. A
             command's target that has an owner is not followed but mailed to: its own
             turn comes when that message arrives.
Once         each address and each list counts once, whatever names it again; so
             circles end.
"""

from __future__ import annotations

from qmail.forwarding import lists
from qmail.forwarding.table import commands_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY_TO_TELL = (b"", b"#@[]")
"""Senders that no owner takes the place of: those of bounces."""


class Plan:
    """What is to be done: the programs first, then one message to the recipients."""

    __slots__ = ("circle", "programs", "recipients", "sender")

    def __init__(self, sender: bytes) -> None:
        self.sender = sender
        self.programs: list[bytes] = []
        self.recipients: list[bytes] = []
        self.circle: bytes | None = None
        """An address or a list that leads back to itself, if one was met."""


class Expansion:
    """One message; ``get`` looks a key up, ``read_list`` reads a compiled list."""

    def __init__(
        self,
        get: Callable[[bytes], bytes | None],
        read_list: Callable[[bytes], bytes],
    ) -> None:
        self._get = get
        self._read_list = read_list
        self._todo: list[bytes | None] = []
        """What is to be followed, the last first; None ends what one command added."""

    def plan(self, recipient: bytes, sender: bytes) -> Plan | None:
        """The plan, or None if nobody knows the recipient. Raises Malformed."""
        plan = Plan(sender)
        if sender not in NOBODY_TO_TELL:
            owner = self._find(b"?", recipient)
            plan.sender = sender if owner is None else owner
        data = self._find(b":", recipient)
        if data is None:
            return None
        self._take(data, plan)
        done = set()
        way: dict[bytes, None] = {}  # from the recipient's target down to here
        while self._todo:
            command = self._todo.pop()
            if command is None:
                way.popitem()
                continue
            if command in done:
                if command in way:
                    plan.circle = command.removeprefix(b"&")
                continue
            done.add(command)
            way[command] = None
            self._todo.append(None)
            if command.startswith(b"&"):
                self._address(command[1:], plan)
            else:
                self._todo += lists.entries(self._read_list(command))
        # COMPAT: the last one found is the first to be queued.
        plan.recipients.reverse()
        return plan

    def _find(self, kind: bytes, address: bytes) -> bytes | None:
        """By the address, else by its wildcards."""
        user, at, host = address.rpartition(b"@")
        keys = [address, at + host, user + at] if at else [address]
        for key in keys:
            data = self._get(kind + key.lower())
            if data is not None:
                return data
        return None

    def _address(self, address: bytes, plan: Plan) -> None:
        key = address.lower()
        if self._get(b"?" + key) is None:
            data = self._get(b":" + key)
            if data is not None:
                self._take(data, plan)
                return
        plan.recipients.append(address)

    def _take(self, data: bytes, plan: Plan) -> None:
        for command in commands_of(data):
            if command.startswith((b"|", b"!")):
                plan.programs.append(command)
            else:
                self._todo.append(command)
