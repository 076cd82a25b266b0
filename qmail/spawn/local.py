"""The child of qmail-lspawn: find the user, become him, become qmail-local.

Contract     message on fd 0, the report's pipe on 1 and 2, nothing else; the status is
             in exitcodes, or qmail-local's own.
Privilege    root until the user is known. The look-up by name, which runs what
             nsswitch.conf names, is done in a process of its own as qmailp.
SECURITY: a change of uid without exec leaves the process undumpable, and with it all
             of /proc/PID root's. That hides the parent's memory from the user whose
             uid it has now: nothing here may call prctl(PR_SET_DUMPABLE).
"""

from __future__ import annotations

import posix

from pytools.base import fds, runtime
from pytools.base.accounts import set_gid, set_uid
from pytools.base.exits import Exit, Next, is_temporary
from pytools.process import child
from qmail.control.users import User, decode_user, look_up
from qmail.spawn import exitcodes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from qmail.control.ids import Ids
    from qmail.spawn.records import Command

PROGRAM = b"bin/qmail-local"
GETPW = b"bin/qmail-getpw"


def deliver(
    command: Command, message: int, output: int, default_delivery: bytes, ids: Ids
) -> int:
    """The body of the child: ends as qmail-local, or with a status of exitcodes."""
    if not command.local:
        # An empty mailbox name is a trash address.
        return 0
    try:
        posix.chdir(runtime.home)
    except OSError:
        raise Exit(exitcodes.USAGE) from None
    user = find_user(command.local, ids)
    try:
        fds.arrange({0: message, 1: output, 2: output})
    except OSError:
        raise Exit(exitcodes.SYSTEM) from None
    become(user.uid, user.gid)
    raise Next(
        [
            *(PROGRAM, b"--", user.name, user.home, command.local),
            *(user.dash, user.ext, command.domain, command.sender, default_delivery),
        ],
        on_error=_cannot_run,
    )


def _cannot_run(error: OSError) -> Exit:
    soft = is_temporary(error)
    return Exit(exitcodes.EXEC_SOFT if soft else exitcodes.EXEC_HARD)


def find_user(local: bytes, ids: Ids) -> User:
    """Who controls the address: users/cdb says, or else qmail-getpw."""
    try:
        record = look_up(local)
    except OSError:
        raise Exit(exitcodes.CDB) from None
    except MemoryError:
        raise Exit(exitcodes.MEMORY) from None
    if record is None:
        record = ask_getpw(local, ids)
    try:
        return decode_user(record)
    except ValueError:
        raise Exit(exitcodes.USAGE) from None


def ask_getpw(local: bytes, ids: Ids) -> bytes:
    """What qmail-getpw, run as qmailp, prints for the address."""
    try:
        answer, output = fds.pipe()
        # COMPAT: the original lets it inherit qmail-send's commands as descriptor 0.
        nothing = posix.open(b"/dev/null", posix.O_RDONLY | posix.O_CLOEXEC)
        pid = child.fork(lambda: _run_getpw(local, ids, nothing, output))
        posix.close(output)
        posix.close(nothing)
        record = fds.read_all(answer)
        posix.close(answer)
        status = child.wait_for(pid)
    except OSError:
        raise Exit(exitcodes.SYSTEM) from None
    if status & 127:
        raise Exit(exitcodes.SYSTEM)
    if status:
        raise Exit(status >> 8)
    return record


def _run_getpw(local: bytes, ids: Ids, nothing: int, output: int) -> NoReturn:
    become(ids.qmailp, ids.nofiles)
    try:
        fds.arrange({0: nothing, 1: output})
    except OSError:
        raise Exit(exitcodes.SYSTEM) from None
    raise Next([GETPW, local], on_error=lambda _: Exit(exitcodes.EXEC_GETPW))


def become(uid: int, gid: int) -> None:
    """Have this uid and exactly this group for good; never root's uid."""
    if uid == 0:
        raise Exit(exitcodes.ROOT)
    try:
        # A trial instance has one user for everything, who need not change and may not.
        if (posix.getuid(), posix.geteuid(), posix.getgid()) != (uid, uid, gid):
            set_gid(gid)
            set_uid(uid)
    except (OSError, OverflowError):
        # COMPAT: of a number over 32 bits the original takes the lower ones, and so
        # delivers as another user than users/assign says.
        raise Exit(exitcodes.USAGE) from None
    if posix.getuid() != uid or posix.geteuid() != uid:
        raise Exit(exitcodes.USAGE)
