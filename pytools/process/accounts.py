"""Account look-ups for warm parents: in a child, so that they stay clean."""

from __future__ import annotations

from pytools.base.accounts import Account, by_name
from pytools.base.netstring import encode
from pytools.process.child import in_child


def lookup(names: list[bytes]) -> dict[bytes, Account | None]:
    """The accounts of ``names``; None for one that is missing. OSError on trouble."""

    def work() -> bytes:
        return b"".join(encode(_pack(by_name(name))) for name in names)

    found: dict[bytes, Account | None] = {}
    data = in_child(work)
    for name in names:
        length, _, data = data.partition(b":")
        found[name] = _unpack(data[: int(length)])
        data = data[int(length) + 1 :]
    return found


def _pack(account: Account | None) -> bytes:
    if account is None:
        return b""
    numbers = b"%d\0%d" % (account.uid, account.gid)
    return b"\0".join((account.name, numbers, account.home, account.shell))


def _unpack(data: bytes) -> Account | None:
    if not data:
        return None
    name, uid, gid, home, shell = data.split(b"\0")
    return Account(name, int(uid), int(gid), home, shell)
