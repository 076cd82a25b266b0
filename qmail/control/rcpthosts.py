"""Which domains this server takes mail for: control/rcpthosts and morercpthosts.cdb.

Format       a line is a domain, or ``.domain`` for everything below it. The cdb has the
             same keys in lower case, with empty data (qmail-newmrh writes it); it
             counts only when rcpthosts exists.
Security     without rcpthosts everything is allowed: an open relay.
"""

from __future__ import annotations

from pytools.base.cdb import Cdb
from qmail.control import files
from qmail.control.maps import ConstMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CDB_PATH = b"control/morercpthosts.cdb"


def keys(domain: bytes) -> Iterator[bytes]:
    """The keys that allow ``domain``: itself, then each of its ``.suffix``."""
    domain = domain.lower()
    if domain:
        yield domain
    at = domain.find(b".", 1)
    while at >= 0:
        yield domain[at:]
        at = domain.find(b".", at + 1)


class RcptHosts:
    """The two files as they were when the program started."""

    __slots__ = ("_hosts", "_more")

    def __init__(self, hosts: ConstMap | None, more: Cdb | None = None) -> None:
        self._hosts = hosts
        self._more = more

    def allows(self, address: bytes) -> bool:
        """True if mail for ``address`` is welcome. OSError when the cdb is unreadable.

        An address without ``@`` is: what becomes of it is control/envnoathost's matter.
        """
        if self._hosts is None:
            return True
        _, at, domain = address.rpartition(b"@")
        if not at:
            return True
        if any(key in self._hosts for key in keys(domain)):
            return True
        more = self._more
        return more is not None and any(more.get(k) is not None for k in keys(domain))

    def close(self) -> None:
        """Close the cdb."""
        if self._more is not None:
            self._more.close()


def load() -> RcptHosts:
    """Read the files. OSError when one is there and cannot be read."""
    lines = files.readfile(b"rcpthosts")
    if lines is None:
        return RcptHosts(None)
    try:
        more = Cdb(CDB_PATH)
    except FileNotFoundError:
        more = None
    return RcptHosts(ConstMap(lines), more)
