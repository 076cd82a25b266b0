"""qmail-start: start the programs that deliver mail, and become one of them.

Contract     [defaultdelivery [logger arg ...]]; root. Prints nothing.
Layout       logger as qmaill:nofiles, qmail-lspawn as root, qmail-rspawn as qmailr,
             qmail-clean and qmail-queued as qmailq; this process becomes qmail-send as
             qmails. All but the logger have the group qmail, cwd /, umask 077.
Exit         111 when anything fails.
"""

from __future__ import annotations

import posix

from pytools.base import fds
from pytools.base.accounts import set_gid, set_uid
from pytools.base.exits import Exit, Next
from pytools.process import child
from qmail.control.ids import lookup_warm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

DEFAULT_DELIVERY = b"./Mailbox"
ALIVE_FD = 7
"""qmail-send's writing end of the pipe that nobody writes to: its end of file tells
qmail-queued that qmail-send has ended."""
FAILED = 111


def main(argv: list[bytes]) -> int:
    """Start everything."""
    delivery = argv[1] if len(argv) > 1 else DEFAULT_DELIVERY
    try:
        _start(delivery, argv[2:])
    except OSError:
        return FAILED
    return 0


def _start(delivery: bytes, logger: list[bytes]) -> None:
    posix.chdir(b"/")
    posix.umask(0o077)
    ids = lookup_warm()
    _become(ids.qmail, None)
    _close_inherited()
    log = 1
    if logger:
        logged, log = fds.pipe()
        child.fork(lambda: _run(logger, {0: logged}, ids.qmaill, ids.nofiles))
    to_local, from_local = _serve([b"qmail-lspawn", delivery], None)
    to_remote, from_remote = _serve([b"qmail-rspawn"], ids.qmailr)
    to_clean, from_clean = _serve([b"qmail-clean"], ids.qmailq)
    ended, alive = fds.pipe()
    # COMPAT: the original has no such child. It serves the queue where no service does,
    # gives way where one does, and ends with qmail-send.
    queued = [b"qmail-queued", b"-1"]
    child.fork(lambda: _run(queued, {0: ended}, ids.qmailq))
    spawners = (to_local, from_local, to_remote, from_remote)
    wanted = dict(enumerate((log, *spawners, to_clean, from_clean, alive)))
    _run([b"qmail-send"], wanted, ids.qmails)


def _close_inherited() -> None:
    """Free the numbers of the contract: no caller's descriptor 3 to 6 lives on."""
    for fd in range(3, ALIVE_FD):
        try:
            posix.close(fd)
        except OSError:
            pass


def _serve(argv: list[bytes], uid: int | None) -> tuple[int, int]:
    """Start a program that is told what to do; (to it, from it)."""
    commands, to_it = fds.pipe()
    from_it, answers = fds.pipe()
    child.fork(lambda: _run(argv, {0: commands, 1: answers}, uid))
    return to_it, from_it


def _run(
    argv: list[bytes],
    wanted: dict[int, int],
    uid: int | None,
    gid: int | None = None,
) -> NoReturn:
    """Become the program, on these descriptors and as that user."""
    try:
        _become(gid, uid)
        fds.arrange(wanted)
    except OSError:
        raise Exit(FAILED) from None
    raise Next(argv, on_error=lambda _: Exit(FAILED), execvp=True)


def _become(gid: int | None, uid: int | None) -> None:
    """Change group and user, where that is asked for and not so already.

    A trial instance has one user for all roles, who may not call setgroups.
    """
    if gid is not None and (posix.geteuid() == 0 or posix.getgid() != gid):
        set_gid(gid)
    if uid is not None:
        set_uid(uid)
